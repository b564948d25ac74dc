import { headerKey } from './column-names.ts'

/** Words that mean a stop, or none, in whatever column about consent they stand. */
const stopWords = keys(`
  unsubscribed | unsubscribe | unsub | opted out | opt out | out | stop | stopped | stop all
  do not contact | dnc | do not disturb | dnd | blocked | blacklisted | blocklisted | suppressed
  cleaned | complained | revoked | withdrawn | declined | denied | refused | objected | rejected
  abgemeldet | abbestellt | gesperrt | widerrufen | abgelehnt | baja | dado de baja | no molestar
  bloqueado | rechazado | descadastrado | cancelado | désabonné | désinscrit | bloqué | refusé
  disiscritto | bloccato | afgemeld | uitgeschreven | geblokkeerd | wypisany | zablokowany
  отписан | отписался | отписка | заблокирован | 退订 | 已退订 | 退訂 | 配信停止 | 수신거부`)
const goWords = keys(`
  subscribed | opted in | opt in | optin | angemeldet | suscrito | inscrito | abonné | inscrit
  iscritto | aangemeld | подписан`)
/** What is said of a consent, and would be ambiguous of an opt-out. */
const givenWords = keys(`
  in | active | granted | given | accepted | confirmed | aktiv | erteilt | activo | ativo | actif
  attivo | actief`)

const yes = keys(`
  true | t | 1 | yes | y | x | on | ok | checked | si | sí | s | sim | verdadero | verdadeiro | v
  oui | o | vrai | ja | j | wahr | vero | waar | tak | prawda | ano | pravda | da | igen | igaz
  evet | doğru | kyllä | tosi | sann | sant | sandt | да | истина | так | ναι | نعم | כן | हाँ
  हां | 是 | はい | 예 | 네 | ya | benar | có`)
const no = keys(`
  false | f | 0 | no | n | off | unchecked | not | não | nao | non | nein | falsch | falso | faux
  onwaar | nee | nie | fałsz | ne | nepravda | nem | hamis | hayır | yanlış | ei | epätosi | nei
  nej | falsk | falskt | usann | usant | нет | ложь | ні | όχι | لا | לא | नहीं | 否 | いいえ | 아니요
  아니오 | tidak | salah | không`)
const unsaid = keys('never | none | null | nil | n/a | na | undefined | nan | empty | leer | keine')
const ticks = /^[\s[(]*[✓✔☑✅][\s\])]*$/u
/** A day, however it is written: since then it is so. */
const day = /(^|\D)(19|20)\d\d(\D|$)|^\d{1,2}[./-]\d{1,2}[./-]\d{2}(\D|$)/
const noDay = /^0000-00-00/
const noSign = /^[\s\-–—._/]*$/

function keys(words: string): Set<string> {
  return new Set(words.split(/[|\n]/).map(headerKey).filter(Boolean))
}

type Answer = 'yes' | 'no' | 'unsaid'

/** What a cell that answers yes or no says, if that can be told. A day means yes. */
function readAnswer(text: string): Answer | undefined {
  const key = headerKey(text)
  if (ticks.test(text)) return 'yes'
  if (noSign.test(text) || noDay.test(text) || unsaid.has(key)) return 'unsaid'
  if (yes.has(key)) return 'yes'
  if (no.has(key)) return 'no'
  if (/^\d+([.,]\d+)?$/.test(text)) return readNumber(Number(text.replace(',', '.')))
  return day.test(text) ? 'yes' : undefined
}

/** Days as spreadsheets count them, as 20260131, and as computers do in seconds or milliseconds. */
const dayNumbers = [
  [20_000, 80_000],
  [19_000_101, 21_000_101],
  [900_000_000, 4_000_000_000],
  [900_000_000_000, 4_000_000_000_000],
] as const

function readNumber(number: number): Answer | undefined {
  if (number === 0) return 'no'
  return number === 1 || dayNumbers.some(([from, to]) => number >= from && number <= to)
    ? 'yes'
    : undefined
}

export type CellMeaning = 'stop' | 'nothing'

/** What a cell of an opt-out column says, if it can be read. */
export function readOptOut(text: string): CellMeaning | undefined {
  const answer = readAnswer(text)
  return readStatus(text) ?? (answer && (answer === 'yes' ? 'stop' : 'nothing'))
}

/** What a cell of an opt-in column says: no there is a stop, and yes takes none back. */
export function readOptIn(text: string): CellMeaning | undefined {
  if (givenWords.has(headerKey(text))) return 'nothing'
  const answer = readAnswer(text)
  return readStatus(text) ?? (answer && (answer === 'no' ? 'stop' : 'nothing'))
}

/** What a cell says by itself, whatever its column asks. */
export function readStatus(text: string): CellMeaning | undefined {
  const key = headerKey(text)
  if (stopWords.has(key)) return 'stop'
  return goWords.has(key) ? 'nothing' : undefined
}

const consentParts = new RegExp(
  `
  opt(ed)?(in|out) | consent | subscri | unsub | block(ed|list) | blacklist | suppress | donot |
  dontc | permission | gdpr | dsgvo | lgpd | marketing | newsletter | abmeld | abgemeld |
  abbestell | einwillig | werbe | sperr | widerr | widerspr | desabon | desinscr | descadastr |
  consenti | consentement | consenso | bloque | bloqu | disiscr | afmeld | afgemeld | uitgeschr |
  toestemming | отпис | подпис | соглас | 退订 | 退訂 | 停止 | 同意 | 수신`.replaceAll(/\s/g, ''),
)
const consentWords = /(^|[^\p{L}])(stop|stopped|dnc|dnd|baja|zgoda|out)($|[^\p{L}])/iu
const statusName = /^\s*((contact|customer|member|whatsapp|email)[\s_-]*)?status\s*$/iu

const otherChannels = /e-?mail|sms|fax|call\b|anruf|correo|courriel/i
/** Whether a column is about being written to, or called, elsewhere. */
export const isOtherChannel = (name: string): boolean => otherChannels.test(name)

/** Whether a column has to do with being written to, by its name. */
export function looksLikeConsent(name: string): boolean {
  return consentParts.test(headerKey(name)) || consentWords.test(name) || statusName.test(name)
}
