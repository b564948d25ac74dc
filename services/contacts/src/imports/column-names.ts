/** "Opt-Out?" is "optout": no case, accents, spacing and signs. */
export function headerKey(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}]/gu, '')
    .toLowerCase()
    .replaceAll('ı', 'i')
    .replace(/[^\p{L}\p{N}]+/gu, '')
}

/** How people and their tools name columns, first those of phones that WhatsApp surely reaches. */
export const namesOf = [
  [
    'phone',
    `
    whatsapp | whatsapp number | whatsapp phone | whatsapp phone number | whatsapp no
    whatsapp id | wa number | wa id | wa | número de whatsapp | número whatsapp | numéro whatsapp
    numero whatsapp | whatsapp nummer | nomor whatsapp | no wa | رقم الواتساب | واتساب`,
  ],
  [
    'phone',
    `
    mobile | mobile number | mobile phone | mobile phone number | mobile no | mobile phone value
    cell | cell phone | cell number | cell phone number | cellular | mobil | mobiltelefon
    mobilnummer | mobilfunknummer | handy | handynummer | handy nr | mobil nr | móvil
    teléfono móvil | número móvil | celular | teléfono celular | número celular
    número de celular | telefone celular | telemóvel | número de telemóvel | portable
    téléphone portable | téléphone mobile | numéro mobile | numéro de portable | cellulare
    numero cellulare | numero di cellulare | telefono cellulare | mobiel | mobiel nummer
    mobiele telefoon | komórka | telefon komórkowy | cep telefonu | мобильный | мобильный телефон
    мобильный номер | мобільний | جوال | رقم الجوال | الجوال | موبايل | נייד | טלפון נייד | मोबाइल
    मोबाइल नंबर | 手机 | 手机号 | 手机号码 | 手機 | 携帯 | 携帯電話 | 携帯番号 | 携帯電話番号 | 휴대폰 | 휴대전화 | 휴대폰번호 | hp
    no hp | nomor hp | handphone | di động | số di động`,
  ],
  [
    'phone',
    `
    phone | phone number | phone no | phone value | phone e164 | primary phone
    primary phone number | contact number | contact no | contact phone | telephone
    telephone number | tel | tel no | msisdn | home phone | work phone | business phone
    other phone | phone home | phone work | telefon | telefonnummer | rufnummer | tel nr
    telefon nr | teléfono | número de teléfono | telefone | número de telefone | fone | téléphone
    numéro de téléphone | telefono | numero di telefono | telefoon | telefoonnummer
    numer telefonu | nr telefonu | telefon numarası | телефон | номер телефона | номер телефону
    هاتف | رقم الهاتف | الهاتف | טלפון | מספר טלפון | फ़ोन | फ़ोन नंबर | 电话 | 电话号码 | 電話 | 電話番号
    전화 | 전화번호 | telepon | nomor telepon | điện thoại | số điện thoại`,
  ],
  ['phone', 'number | número | numero | numéro | nummer | numer | номер | nomor'],
  [
    'name',
    `
    name | full name | contact name | display name | customer name | person name | nombre completo
    nome completo | nom complet | vollständiger name | naam | volledige naam | nome e cognome
    imię i nazwisko | ad soyad | фио | полное имя | الاسم | الاسم الكامل | שם | שם מלא | नाम | 姓名
    名前 | 氏名 | 이름 | nama | nama lengkap | họ tên | họ và tên`,
  ],
  [
    'first_name',
    `
    first name | given name | fname | forename | vorname | prénom | nombre | nombres
    primer nombre | nome | primeiro nome | voornaam | imię | имя | ім'я | isim | الاسم الأول
    שם פרטי | 名 | nama depan | tên`,
  ],
  [
    'last_name',
    `
    last name | surname | family name | lname | nachname | familienname | nom | nom de famille
    apellido | apellidos | sobrenome | apelido | cognome | achternaam | nazwisko | фамилия
    прізвище | soyad | soyadı | soyisim | اسم العائلة | שם משפחה | 姓 | nama belakang | họ`,
  ],
  ['tags', 'tags | tag'],
  [
    'opted_out',
    `
    opted out | opt out | opt out at | opt out date | opt out time | opted out at | unsubscribed
    unsubscribe | unsubscribed at | unsubscribe date | unsub | unsub time | unsub date
    whatsapp opt out | opted out of whatsapp | marketing opt out | opted out of marketing
    opt out marketing | do not contact | dont contact | no contact | dnc | do not message
    do not disturb | dnd | do not send | blocked | blocked at | blacklist | blacklisted
    blocklist | blocklisted | suppressed | suppression | stop | stopped | no marketing
    abgemeldet | abgemeldet am | abmeldung | abbestellt | gesperrt | werbesperre | keine werbung
    nicht kontaktieren | widerrufen | widerruf | widerspruch | baja | dado de baja | de baja
    no molestar | no contactar | bloqueado | descadastrado | não contatar | não contactar
    não perturbe | opt out feito | désabonné | désinscrit | désinscription | désabonnement
    ne pas contacter | stop pub | bloqué | disiscritto | non contattare | bloccato | afgemeld
    uitgeschreven | niet benaderen | niet contacteren | geblokkeerd | wypisany | nie kontaktować
    zablokowany | отписан | отписался | отписка | не беспокоить | заблокирован | engellendi
    abonelikten çıktı | berhenti | berhenti langganan | 退订 | 已退订 | 退訂 | 配信停止 | 수신거부
    إلغاء الاشتراك | محظور`,
  ],
  [
    'opted_in',
    `
    opted in | opt in | opt in status | subscribed | subscription status | consent | consent given
    consent status | marketing consent | whatsapp consent | whatsapp opt in | opted in to whatsapp
    marketing opt in | accepts marketing | accepts whatsapp marketing | marketing permission
    einwilligung | werbeeinwilligung | newsletter einwilligung | consentimiento | acepta marketing
    consentimento | aceita marketing | consentement | consenso | toestemming | zgoda | согласие
    подписан`,
  ],
] as const
