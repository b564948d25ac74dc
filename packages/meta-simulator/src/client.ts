import { Agent, type Dispatcher } from 'undici'
import type { z } from 'zod'
import type { accountEventInput } from './account-event.ts'
import type { drainInput, inboundInput, LogQuery, webhookInput } from './control.ts'
import type { LogLine, PostLine } from './log.ts'
import type { appContactsInput, callInput, echoInput, historyInput } from './phone-app.ts'
import type { Settings, SettingsPatch } from './settings.ts'
import type { AccountState, State, StateInput } from './state.ts'
import type { Summary } from './summary.ts'
import type { templateEventInput } from './template-event.ts'
import type { Template } from './templates.ts'

/** An accepted message, as the log has it. */
type AcceptedPost = PostLine & { wamid: string; recipient: string; nth: number }

/** The control API of a simulator, typed. Every call rejects with the simulator's own words when it is refused. */
export interface SimulatorClient extends AsyncDisposable {
  health(): Promise<{ status: 'ok'; seq: number; logFile: string }>
  state(): Promise<State>
  setState(patch: StateInput): Promise<State>
  settings(): Promise<Settings>
  setSettings(patch: SettingsPatch): Promise<Settings>
  /** The accepted messages, oldest first. `since` is a sequence number. */
  accepted(query?: {
    callbackPrefix?: string
    since?: number
    phoneNumberId?: string
  }): Promise<AcceptedPost[]>
  /** Lines of the log as they come off the disk. `since` is a sequence number. */
  log(query?: LogQuery): AsyncIterable<LogLine>
  summary(): Promise<Summary>
  inbound(message: z.input<typeof inboundInput>): Promise<{ id: string }>
  echo(message: z.input<typeof echoInput>): Promise<{ id: string }>
  call(call: z.input<typeof callInput>): Promise<{ id: string }>
  history(past: z.input<typeof historyInput>): Promise<{ ids: string[] }>
  appContacts(changes: z.input<typeof appContactsInput>): Promise<{ contacts: number }>
  webhook(request: z.input<typeof webhookInput>): Promise<{ httpStatus: number }>
  templateEvent(
    event: z.input<typeof templateEventInput>,
  ): Promise<{ webhooks: number; template: Template }>
  accountEvent(event: z.input<typeof accountEventInput>): Promise<{ account: AccountState }>
  verify(
    appId: string,
  ): Promise<{ verified: boolean; httpStatus: number; answer: string; challenge: string }>
  /** Waits until no webhook is under way; `drained` is false when the deadline (30 s) came first. */
  drain(options?: z.input<typeof drainInput>): Promise<Summary & { drained: boolean }>
  reset(options?: { forgetState?: boolean }): Promise<Summary>
}

const CALL_MS = 30_000

/** Opens a client for the control API at `url`. */
export function createSimulatorClient(url: string): SimulatorClient {
  const agent = new Agent({ keepAliveTimeout: 4_000 })
  const { call, lines } = createCalls(agent, new URL(url).origin)

  return {
    health: () => call('GET', '/_sim/health'),
    state: () => call('GET', '/_sim/state'),
    setState: (patch) => call('PUT', '/_sim/state', patch),
    settings: () => call('GET', '/_sim/settings'),
    setSettings: (patch) => call('PUT', '/_sim/settings', patch),
    accepted: (query = {}) => Array.fromAsync(lines<AcceptedPost>('/_sim/accepted', query)),
    log: (query = {}) => lines<LogLine>('/_sim/log', query),
    summary: () => call('GET', '/_sim/summary'),
    inbound: (message) => call('POST', '/_sim/inbound', message),
    echo: (message) => call('POST', '/_sim/echo', message),
    call: (input) => call('POST', '/_sim/call', input),
    history: (past) => call('POST', '/_sim/history', past),
    appContacts: (changes) => call('POST', '/_sim/app-contacts', changes),
    webhook: (given) => call('POST', '/_sim/webhook', given),
    templateEvent: (event) => call('POST', '/_sim/template-event', event),
    accountEvent: (event) => call('POST', '/_sim/account-event', event),
    verify: (appId) => call('POST', `/_sim/apps/${encodeURIComponent(appId)}/verify`),
    drain: (options = {}) =>
      call('POST', '/_sim/drain', options, (options.deadlineMs ?? 30_000) + CALL_MS),
    reset: (options = {}) => call('POST', '/_sim/reset', options),
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

/** Calls that answer one JSON value, and those that answer a line for each. */
function createCalls(agent: Agent, origin: string) {
  async function request(
    method: Dispatcher.HttpMethod,
    path: string,
    body?: unknown,
    timeoutMs = CALL_MS,
  ) {
    const response = await agent.request({
      origin,
      path,
      method,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    })
    if (response.statusCode === 200) return response.body
    throw new Error(
      `The simulator answered ${response.statusCode} to ${method} ${path}: ${await response.body.text()}`,
    )
  }
  const call = async <T>(...args: Parameters<typeof request>): Promise<T> =>
    (await (await request(...args)).json()) as T

  async function* lines<T>(path: string, query: object): AsyncGenerator<T> {
    const search = new URLSearchParams()
    for (const [key, value] of Object.entries(query))
      if (value !== undefined) search.set(key, String(value))
    const body = await request('GET', `${path}?${search}`)
    let rest = ''
    for await (const chunk of body.setEncoding('utf8')) {
      const texts = (rest + chunk).split('\n')
      rest = texts.pop()!
      for (const text of texts) yield JSON.parse(text) as T
    }
  }

  return { call, lines }
}
