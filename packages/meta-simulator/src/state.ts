import { z } from 'zod'
import { type CompiledTemplate, compileTemplate, templateKey, templateSchema } from './templates.ts'

const id = z.string().min(1)
const secret = z.string().min(1)

/** What Meta holds against a WABA, or one number of it. */
const accountSchema = z.strictObject({
  restrictions: z
    .array(z.strictObject({ type: z.string(), endsAtMs: z.number().nullable() }))
    .default([]),
  /** Banned, deleted or rejected: nothing can be sent. */
  locked: z.boolean().default(false),
  /** No longer shared with whoever holds the token. */
  removed: z.boolean().default(false),
})
export type AccountState = z.output<typeof accountSchema>

const appSchema = z.strictObject({
  id,
  secret,
  callbackUrl: z.url().nullable().default(null),
  verifyToken: z.string().default(''),
  /** What it is told, by what it said when it subscribed; the simulator sends every field. */
  subscribedFields: z.array(z.string()).default([]),
  /** "Require App Secret": calls by its tokens need an appsecret_proof. */
  requireAppSecret: z.boolean().default(false),
})
const wabaSchema = z.strictObject({
  id,
  name: z.string().default('Simulated business'),
  /** Apps subscribed to it; each gets every webhook. */
  appIds: z.array(id).default([]),
  /** Overrides the apps' callback URL for the fields that follow an override (meta-cloud-api.md §1). */
  callbackUrl: z.url().nullable().default(null),
  account: accountSchema.prefault({}),
})
const numberSchema = z.strictObject({
  id,
  wabaId: id,
  displayPhoneNumber: z.string().regex(/\d/),
  token: secret,
  verifiedName: z.string().default('Simulated business'),
  qualityRating: z.enum(['GREEN', 'YELLOW', 'RED', 'UNKNOWN']).default('GREEN'),
  throughputLevel: z.enum(['STANDARD', 'HIGH', 'NOT_APPLICABLE']).default('STANDARD'),
  messagingLimit: z.string().default('TIER_2K'),
  status: z.string().default('CONNECTED'),
  callbackUrl: z.url().nullable().default(null),
  account: accountSchema.prefault({}),
  /** The app that its token was made for; whichever asks when absent. */
  appId: id.optional(),
  /** When its token ends; null: never. */
  tokenExpiresAtMs: z.number().nullable().default(null),
  /** Withdrawn at Meta before its end. */
  tokenRevoked: z.boolean().default(false),
  /** Of its two-step verification; the first that registers it sets one. */
  pin: z.string().nullable().default(null),
  /** When what it may read of people ends; null: never. */
  dataAccessExpiresAtMs: z.number().nullable().default(null),
  /** What its token may do. */
  scopes: z
    .array(z.string())
    .default(['whatsapp_business_management', 'whatsapp_business_messaging']),
})

/** A code as Embedded Signup hands it to a browser; its token becomes that of the number. */
const codeSchema = z.strictObject({
  code: secret,
  appId: id,
  phoneNumberId: id,
  /** What it is exchanged for. */
  token: secret,
  /** When the code ends; null: never. */
  endsAtMs: z.number().nullable().default(null),
  /** When the token ends; null: never. */
  tokenExpiresAtMs: z.number().nullable().default(null),
  isUsed: z.boolean().default(false),
})

/** The body of `PUT /_sim/state`: apps, WABAs and numbers by id, templates by WABA id, name and language. */
export const statePatch = z.strictObject({
  apps: z.array(appSchema).default([]),
  wabas: z.array(wabaSchema).default([]),
  numbers: z.array(numberSchema).default([]),
  codes: z.array(codeSchema).default([]),
  templates: z.record(z.string(), z.array(templateSchema)).default({}),
})
/** A patch that changes nothing. */
export const noChange: z.output<typeof statePatch> = {
  apps: [],
  wabas: [],
  numbers: [],
  codes: [],
  templates: {},
}
export type StateInput = z.input<typeof statePatch>
export type State = z.output<typeof statePatch>
export type App = z.output<typeof appSchema>
export type Waba = z.output<typeof wabaSchema>
type SignUpCode = z.output<typeof codeSchema>
export type PhoneNumber = z.output<typeof numberSchema> & { digits: string }

/** All that exists on the simulated platform. */
export interface World {
  apps: Map<string, App>
  wabas: Map<string, Waba>
  numbers: Map<string, PhoneNumber>
  /** By their text. */
  codes: Map<string, SignUpCode>
  /** By WABA id, then by name and language, in the order of creation. */
  templates: Map<string, Map<string, CompiledTemplate>>
  /** Known access tokens. */
  tokens: Set<string>
}

/** A platform where nothing exists yet. */
export function emptyWorld(): World {
  return {
    apps: new Map(),
    wabas: new Map(),
    numbers: new Map(),
    codes: new Map(),
    templates: new Map(),
    tokens: new Set(),
  }
}

/** Adds what the patch holds to the world; what has the same identity is replaced. */
export function mergeState(world: World, patch: State): void {
  for (const app of patch.apps) world.apps.set(app.id, app)
  for (const code of patch.codes) world.codes.set(code.code, code)
  for (const waba of patch.wabas) world.wabas.set(waba.id, waba)
  for (const number of patch.numbers) {
    world.numbers.set(number.id, {
      ...number,
      digits: number.displayPhoneNumber.replace(/\D/g, ''),
    })
    if (!world.wabas.has(number.wabaId))
      world.wabas.set(number.wabaId, wabaSchema.parse({ id: number.wabaId }))
  }
  for (const [wabaId, list] of Object.entries(patch.templates)) {
    const templates = world.templates.get(wabaId) ?? new Map<string, CompiledTemplate>()
    world.templates.set(wabaId, templates)
    for (const template of list)
      templates.set(
        templateKey(template.name, template.language),
        compileTemplate(wabaId, template),
      )
  }
  world.tokens = new Set([...world.numbers.values()].map((number) => number.token))
}

/** The world in the form of `PUT /_sim/state`. */
export function describeWorld(world: World): State {
  const templates = Object.fromEntries(
    [...world.templates].map(([wabaId, list]) => [
      wabaId,
      [...list.values()].map((each) => each.template),
    ]),
  )
  const numbers = [...world.numbers.values()].map(({ digits: _, ...number }) => number)
  return {
    apps: [...world.apps.values()],
    wabas: [...world.wabas.values()],
    codes: [...world.codes.values()],
    numbers,
    templates,
  }
}

/** Where the webhooks of a WABA go: one target for each subscribed app. */
export interface Target {
  app: App
  url: string
}

/**
 * Callback targets of a number or WABA. An override of the number wins over the WABA's, which wins over the app's own; template and
 * account fields always go to the app's (meta-cloud-api.md §1 "Callback overrides").
 */
export function targetsOf(world: World, wabaId: string, phoneNumberId?: string): Target[] {
  const waba = world.wabas.get(wabaId)
  const override =
    phoneNumberId && (world.numbers.get(phoneNumberId)?.callbackUrl ?? waba?.callbackUrl)
  return (waba?.appIds ?? []).flatMap((appId) => {
    const app = world.apps.get(appId)
    const url = override || app?.callbackUrl
    return app && url ? [{ app, url }] : []
  })
}
