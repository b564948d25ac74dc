/** What a person can say, or what is ordered on their behalf. `block` refuses everything, `opt_out` what `goesDespiteStop` doesn't name. */
export const consentKinds = ['opt_out', 'opt_in', 'block', 'unblock'] as const
export type ConsentKind = (typeof consentKinds)[number]

/** What came from Meta, and at Meta's time. */
export const metaVias = ['word', 'button', 'preference', 'error_131050', 'error_130403'] as const

/** How it was said. */
export type ConsentVia = (typeof metaVias)[number] | 'api' | 'import'

/** One entry of the ledger before it is keyed to the contact's identities. */
export interface Statement {
  contactId: string
  kind: ConsentKind
  via: ConsentVia
  /** What proves it: the message's wamid, an import's id, a caller's words. */
  evidence: string
  saidAt: Date
}

/**
 * Messages that mean "stop", as whole messages only: "please stop by tomorrow" is none. The English ones are those that
 * carriers demand (CTIA); "stop promotions" is the button that Meta offers in marketing templates.
 */
const stopWords = `stop | stop all | stopall | unsubscribe | unsub | cancel | end | quit | opt out | optout | opt-out | revoke | remove me | stop promotions
  baja | darme de baja | cancelar | cancelar suscripcion | no molestar | detener | detener promociones
  parar | pare | sair | descadastrar | remover | cancelar inscricao | parar promocoes
  arret | arreter | stop pub | desabonner | me desabonner | desinscrire | desinscription
  stopp | abmelden | abbestellen | abbestellung | keine werbung
  annulla | cancellami | disiscrivimi | disiscriviti | basta
  afmelden | uitschrijven | stoppen | avsluta | avregistrera | afmeld | lopeta
  wypisz | rezygnuje | odhlasit | leiratkozas | dezabonare | iptal | ret | abonelikten cik
  стоп | отписаться | отписка | отмена | відписатися | скасувати
  berhenti | berhenti langganan | huy | ngung | توقف | ايقاف | الغاء | الغاء الاشتراك | הסר | הסירו | עצור
  रोकें | बंद करें | 停止 | 退订 | 退訂 | 取消订阅 | 取消訂閱 | 配信停止 | 解除 | 수신거부 | 중지`

/** Messages that take a stop back. "Yes" and its like are not among them: they answer too many other questions. */
const startWords = `start | unstop | subscribe | resubscribe | opt in | optin | opt-in | resume promotions
  alta | darme de alta | suscribir | suscribirme | reanudar promociones
  inscrever | assinar | retomar promocoes
  s abonner | abonner | m abonner | reabonner
  anmelden | abonnieren | iscrivimi | aanmelden | inschrijven | abone ol
  старт | подписаться | підписатися | langganan | dang ky | اشتراك | ابدا | הצטרף | 订阅 | 訂閱 | 配信再開 | 수신동의`

const stops = table(stopWords)
const starts = table(startWords)

function table(words: string): Set<string> {
  return new Set(words.split(/[|\n]/).map(fold))
}

/** Case, accents, spacing and punctuation don't change what a word means: "Arrêt !" is "arret". */
function fold(text: string): string {
  const plain = text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()
  return plain.replace(/[^\p{L}\p{N}]+/gu, ' ').trim()
}

/** What a message or button payload says about consent when it says nothing else; undefined for any other message. */
export function readWord(text: string): 'opt_out' | 'opt_in' | undefined {
  if (text.length > 64) return undefined
  const word = fold(text)
  if (stops.has(word)) return 'opt_out'
  return starts.has(word) ? 'opt_in' : undefined
}

/** What Meta's user_preferences field says (meta-cloud-api.md §6), a sign-up by a link too; undefined for values that are no consent. */
export function readPreference(value: string): 'opt_out' | 'opt_in' | undefined {
  if (value === 'stop') return 'opt_out'
  return value === 'resume' || value === 'signup' ? 'opt_in' : undefined
}

/** What Meta's errors of a message say of its recipient (meta-cloud-api.md §4). */
export const refusalErrors: Readonly<Record<number, { kind: ConsentKind; via: ConsentVia }>> = {
  131050: { kind: 'opt_out', via: 'error_131050' },
  130403: { kind: 'block', via: 'error_130403' },
}

export type Refusal = '' | 'deleted' | 'blocked' | 'opted_out' | 'unreachable'

export interface Reach {
  optedOut: boolean
  blocked: boolean
  reachable: boolean
}

/** What an account chose for people who said stop. */
export interface ConsentRules {
  utilityAfterStop: boolean
}

/**
 * Whether a template of a category, as Meta has it, is sent to people who said stop. A code that a person has just asked for
 * (AUTHENTICATION) and an answer without template (SERVICE) are; what Meta calls by a name that is not known here counts as marketing.
 */
export function goesDespiteStop(category: string, { utilityAfterStop }: ConsentRules): boolean {
  return category === 'AUTHENTICATION' || category === 'SERVICE' || (category === 'UTILITY' && utilityAfterStop)
}

/** Why a contact may not be written to; empty when it may. */
export function refusalOf(contact: Reach | undefined, despiteStop: boolean): Refusal {
  if (!contact) return 'deleted'
  if (contact.blocked) return 'blocked'
  if (contact.optedOut && !despiteStop) return 'opted_out'
  return contact.reachable ? '' : 'unreachable'
}
