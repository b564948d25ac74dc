import { z } from 'zod'

const share = z.number().min(0).max(1)
const count = z.int().min(0)
const positive = z.int().min(1)
const code = z.int().min(0)

/** A time in milliseconds: a number, or a range from which each use draws. */
const span = z.union([
  z.strictObject({ min: z.number().min(0), max: z.number().min(0) }),
  z
    .number()
    .min(0)
    .transform((ms) => ({ min: ms, max: ms })),
])

/** What can go wrong with an answer. All but `lost` happen after the message was accepted. */
export const faultKinds = [
  'hang',
  'reset',
  'bad-gateway',
  'unknown-error',
  'unreadable',
  'lost',
] as const
export type FaultKind = (typeof faultKinds)[number]

/** As the truth names a person: digits of the number, or a user id. */
const recipientId = z.string()

const groups = {
  /** After acceptance (`sent`, `failed`), or after the step before (`delivered`, `read`, `reply`). */
  delaysMs: z.strictObject({ sent: span, failed: span, delivered: span, read: span, reply: span }),
  shares: z.strictObject({
    /** Of the messages that do not fail: never delivered, hence never read. */
    undelivered: share,
    /** Of the delivered ones: read. */
    read: share,
    /** Of the read ones: only `read` is sent, as when the chat is open (meta-cloud-api.md §3). */
    readWithoutDelivered: share,
    /** Of the failed ones: a later `delivered` proves otherwise (meta-cloud-api.md §3). */
    failedThenDelivered: share,
    /** Of the delivered ones: the person answers. */
    reply: share,
    /** Of the replies: the stop word. */
    stop: share,
  }),
  replies: z.strictObject({
    texts: z.array(z.string().min(1)).min(1),
    stopWord: z.string().min(1),
  }),
  /** Errors in place of acceptance. `on` is the endpoint: sends, or everything else. */
  errors: z.strictObject({
    shares: z.record(z.string().regex(/^\d+$/), share),
    next: z.array(
      z.strictObject({
        code,
        /** `error_subcode` beside the code; deprecated, and still seen (meta-cloud-api.md §4). */
        subcode: code.optional(),
        count: positive,
        on: z.enum(['messages', 'management']).default('messages'),
        phoneNumberId: z.string().optional(),
        recipient: recipientId.optional(),
      }),
    ),
  }),
  faults: z.strictObject({
    shares: z.partialRecord(z.enum(faultKinds), share),
    next: z.array(
      z.strictObject({
        kind: z.enum(faultKinds),
        count: positive,
        phoneNumberId: z.string().optional(),
        recipient: recipientId.optional(),
      }),
    ),
    /** So many codes of sign-ups are used up without an answer. */
    loseCodes: z.int().min(0),
  }),
  /** null means no limit. Per phone number; `pair` is per number and recipient. */
  limits: z.strictObject({
    perSecond: positive.nullable(),
    perMinute: positive.nullable(),
    pair: z.strictObject({ everyMs: positive, burst: positive }).nullable(),
  }),
  webhooks: z.strictObject({
    paused: z.boolean(),
    /** Updates in one body; Meta's own maximum is 1000 (meta-cloud-api.md §1). */
    batchSize: z.int().min(1).max(1000),
    batchMs: count,
    concurrency: positive,
    /** How often each webhook is sent. */
    duplicates: z.int().min(1).max(10),
    /** Share of the elements held back so that later ones overtake them; above 0 each body is shuffled, too. */
    disorder: share,
    timeoutMs: positive,
  }),
  retry: z.strictObject({
    baseMs: count,
    factor: z.number().min(1),
    maxMs: count,
    giveUpMs: count,
  }),
}

const settingsSchema = z.strictObject({
  seed: z.int(),
  latencyMs: span,
  /** Share of the messages that fail, by error code: `{ "131026": 0.02 }`. */
  failed: z.record(z.string().regex(/^\d+$/), share),
  ...groups,
})

/** The body of `PUT /_sim/settings`: any part of the settings. */
export const settingsPatch = z
  .strictObject({
    seed: settingsSchema.shape.seed,
    latencyMs: span,
    failed: settingsSchema.shape.failed,
    delaysMs: groups.delaysMs.partial(),
    shares: groups.shares.partial(),
    replies: groups.replies.partial(),
    errors: groups.errors.partial(),
    faults: groups.faults.partial(),
    limits: groups.limits.partial(),
    webhooks: groups.webhooks.partial(),
    retry: groups.retry.partial(),
  })
  .partial()

export type Span = { min: number; max: number }
export type Settings = z.output<typeof settingsSchema>
export type SettingsPatch = z.input<typeof settingsPatch>

/** Quiet and quick: everything is accepted and delivered, most is read, nobody replies, no limit binds. */
export function defaultSettings(seed: number): Settings {
  return {
    seed,
    latencyMs: { min: 0, max: 0 },
    failed: {},
    delaysMs: {
      sent: { min: 20, max: 120 },
      failed: { min: 20, max: 400 },
      delivered: { min: 100, max: 800 },
      read: { min: 300, max: 3_000 },
      reply: { min: 500, max: 4_000 },
    },
    shares: {
      undelivered: 0,
      read: 0.7,
      readWithoutDelivered: 0,
      failedThenDelivered: 0,
      reply: 0,
      stop: 0,
    },
    replies: {
      texts: ['Thanks!', 'Sounds good 😀', 'Können Sie mich anrufen?', 'Ok, até amanhã'],
      stopWord: 'STOP',
    },
    errors: { shares: {}, next: [] },
    faults: { shares: {}, next: [], loseCodes: 0 },
    limits: { perSecond: null, perMinute: null, pair: null },
    webhooks: {
      paused: false,
      batchSize: 100,
      batchMs: 20,
      concurrency: 16,
      duplicates: 1,
      disorder: 0,
      timeoutMs: 10_000,
    },
    // Seven days is Meta's horizon (meta-cloud-api.md §1); its schedule inside them is not published.
    retry: { baseMs: 500, factor: 2, maxMs: 60_000, giveUpMs: 7 * 86_400_000 },
  }
}

/** The settings with a patch applied; groups merge one level deep, lists and single values are replaced. */
export function mergeSettings(current: Settings, patch: z.output<typeof settingsPatch>): Settings {
  const merged: Record<string, unknown> = { ...current }
  for (const [key, value] of Object.entries(patch)) {
    const before = merged[key]
    merged[key] =
      key in groups && value !== undefined ? { ...(before as object), ...(value as object) } : value
  }
  return settingsSchema.parse(merged)
}
