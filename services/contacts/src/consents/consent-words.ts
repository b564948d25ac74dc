/**
 * Whole messages that mean "stop": carriers' words in English (CTIA), and the button of Meta's
 * marketing templates.
 */
const stopWords = `
  stop | stop all | stopall | unsubscribe | unsub | cancel | end | quit | opt out | optout
  opt-out | revoke | remove me | stop promotions | baja | darme de baja | cancelar
  cancelar suscripción | no molestar | detener | detener promociones | parar | pare | sair
  descadastrar | remover | cancelar inscrição | parar promoções | arrêt | arrêter | stop pub
  désabonner | me désabonner | désinscrire | désinscription | stopp | abmelden | abbestellen
  abbestellung | keine werbung | annulla | cancellami | disiscrivimi | disiscriviti | basta
  afmelden | uitschrijven | stoppen | avsluta | avregistrera | afmeld | lopeta | wypisz
  rezygnuję | odhlásit | leiratkozás | dezabonare | iptal | ret | abonelikten çık | стоп
  отписаться | отписка | отмена | відписатися | скасувати | berhenti | berhenti langganan | ngung
  hủy đăng ký | huy dang ky | توقف | إيقاف | إلغاء | إلغاء الاشتراك | הסר | הסירו | עצור | रोकें
  बंद करें | बन्द करें | 停止 | 退订 | 退訂 | 取消订阅 | 取消訂閱 | 配信停止 | 解除 | 수신거부 | 중지`

/** Whole messages that take a stop back, without "yes", which answers too many other questions. */
const startWords = `
  start | unstop | subscribe | resubscribe | opt in | optin | opt-in | resume promotions | alta
  darme de alta | suscribir | suscribirme | reanudar promociones | inscrever | assinar
  retomar promoções | s abonner | abonner | m abonner | réabonner | anmelden | abonnieren
  iscrivimi | aanmelden | inschrijven | abone ol | старт | подписаться | підписатися | langganan
  dang ky | اشتراك | הצטרף | 订阅 | 訂閱 | 配信再開 | 수신동의`

/** Words that are others without their accents: hủy is Vietnamese for cancel, and Huy a name. */
const asWritten = { opt_out: 'hủy | huỷ', opt_in: 'ابدأ | đăng ký' }

/** Words that alone mean stop, and politely ask for an order or an appointment to be cancelled. */
const cancelWords =
  'cancel | end | quit | revoke | cancelar | remover | annulla | отмена | скасувати | iptal | ret' +
  ' | إلغاء | 解除'

/** What may stand before or after a stop word without changing what it means. */
const courtesies = `
  please | pls | plz | kindly | thanks | thank you | thanks a lot | thank you very much | thx | ty
  bitte | bitte sehr | danke | danke schön | vielen dank | por favor | porfavor | porfa | gracias
  muchas gracias | obrigado | obrigada | muito obrigado | s il vous plaît | s il te plaît | svp
  stp | merci | merci beaucoup | per favore | per piacere | grazie | alsjeblieft | alstublieft
  graag | dank je | dank u | bedankt | tack | tak | proszę | dziękuję | prosím | děkuji | lütfen
  teşekkürler | пожалуйста | спасибо | будь ласка | дякую | tolong | mohon | terima kasih
  من فضلك | شكرا | בבקשה | תודה | कृपया | धन्यवाद | 谢谢 | 請 | 谢谢您`

type Meaning = 'opt_out' | 'opt_in'

/** A text as its letters, without their marks, and for each place in it which marks it had. */
interface Spelling {
  letters: string
  marks: string[]
}

/** Letters of scripts whose marks people leave out, unlike India's, whose marks are vowels. */
const scripts = ['Latin', 'Greek', 'Cyrillic', 'Arabic', 'Hebrew']
const markedLetter = `[${scripts.map((script) => `\\p{Script=${script}}`).join('')}]`
const marked = new RegExp(`(?<letter>${markedLetter})(?<marks>\\p{M}+)|\\P{M}\\p{M}*`, 'gu')
/** Vowel signs of Arabic and Hebrew, the Arabic stretch, and invisible signs. */
const unwritten =
  /[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u0652\u0670\u0640]|\p{Cf}/gu

/** Case, spacing and punctuation don't change what a word means. */
function plain(text: string): string {
  const small = text
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll('i\u0307', 'i')
    .replaceAll('ı', 'i')
    .replace(unwritten, '')
  return small
    .replace(/[^\p{L}\p{N}\p{M}]+\p{M}*/gu, ' ')
    .replace(/^\p{M}+/u, '')
    .trim()
}

function spell(text: string): Spelling {
  const signs = [...plain(text).matchAll(marked)].map(
    ({ 0: sign, groups }) => [groups?.letter ?? sign, groups?.marks ?? ''] as const,
  )
  const marks = signs.flatMap(([letter, marks]) => [
    marks,
    ...Array<string>(letter.length - 1).fill(''),
  ])
  return { letters: signs.map(([letter]) => letter).join(''), marks }
}

const listOf = (words: string) => words.split(/[|\n]/).filter((word) => word.trim())

function table(words: string): Map<string, Spelling> {
  return new Map(listOf(words).map((word) => [spell(word).letters, spell(word)]))
}

const stops = table(stopWords)
const starts = table(startWords)
const cancels = table(cancelWords)
const exact = new Map(
  Object.entries(asWritten).flatMap(([meaning, words]) =>
    listOf(words).map((word) => [plain(word), meaning as Meaning]),
  ),
)
const courtesy = listOf(courtesies).map((words) => spell(words).letters)

/** Whether a text is a word of the table, whose marks may be missing. */
function isIn(words: Map<string, Spelling>, { letters, marks }: Spelling): boolean {
  const word = words.get(letters)
  return word !== undefined && marks.every((mark, at) => mark === '' || word.marks[at] !== '')
}

/** Without one courtesy before and one after it. */
function withoutCourtesy({ letters, marks }: Spelling): Spelling | undefined {
  const before = Math.max(
    0,
    ...courtesy.filter((words) => letters.startsWith(`${words} `)).map((words) => words.length + 1),
  )
  const after = Math.max(
    0,
    ...courtesy.filter((words) => letters.endsWith(` ${words}`)).map((words) => words.length + 1),
  )
  const end = letters.length - after
  return before + after > 0 && end > before
    ? { letters: letters.slice(before, end), marks: marks.slice(before, end) }
    : undefined
}

/** What a message or payload says about consent, if it says nothing else. */
export function readConsentWord(text: string): Meaning | undefined {
  if (text.length > 64) return undefined
  const written = spell(text)
  const meaning = exact.get(plain(text))
  if (meaning) return meaning
  if (isIn(stops, written)) return 'opt_out'
  if (isIn(starts, written)) return 'opt_in'
  const alone = withoutCourtesy(written)
  return alone && isIn(stops, alone) && !cancels.has(alone.letters) ? 'opt_out' : undefined
}
