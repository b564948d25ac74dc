import { AppError } from '@lockstep/contracts'
import { z } from 'zod'
import { cleanJson, objectOf } from '../json.ts'

/**
 * A template as Meta holds it (Meta, templates/template-management). `components` stay as Meta
 * returned them.
 */
export interface GraphTemplate {
  id: string
  name: string
  language: string
  /** MARKETING, UTILITY or AUTHENTICATION. */
  category: string
  /** Sendable only when APPROVED. */
  status: string
  parameterFormat: 'POSITIONAL' | 'NAMED'
  components: unknown[]
  /** GREEN, YELLOW, RED or UNKNOWN. */
  quality: string
  /** NONE unless rejected. */
  rejectedReason: string
}

/** A number as Meta knows it. */
export interface GraphPhoneNumber {
  id: string
  displayPhoneNumber: string
  verifiedName: string
  quality: string
  /** STANDARD or HIGH: 80 or 1,000 messages a second; empty when Meta did not say. */
  throughput: string
  /**
   * TIER_250 … TIER_UNLIMITED: people written to outside their windows in 24 hours, shared by the
   * whole portfolio.
   */
  messagingLimit: string
  /** CONNECTED once it is registered; empty when Meta did not say. */
  status: string
}

/** Asked for by name, because the default fields leave out quality and rejection. */
export const templateFields =
  'id,name,language,category,status,parameter_format,components,quality_score,rejected_reason'

const text = z.coerce.string()
const optional = z.string().catch('')

const templateShape = z
  .object({
    id: text,
    name: z.string(),
    language: z.string(),
    category: optional,
    status: optional,
    parameter_format: z.enum(['POSITIONAL', 'NAMED']).catch('POSITIONAL'),
    components: z.array(z.unknown()).catch([]),
    quality_score: z.object({ score: z.string() }).catch({ score: 'UNKNOWN' }),
    rejected_reason: z.string().catch('NONE'),
  })
  .transform(
    ({ parameter_format, quality_score, rejected_reason, ...same }): GraphTemplate => ({
      ...same,
      parameterFormat: parameter_format,
      quality: quality_score.score,
      rejectedReason: rejected_reason,
    }),
  )

/**
 * One page of templates and the cursor of the next one. A template that can't be read is left out.
 */
export function readTemplatePage(body: unknown): {
  templates: GraphTemplate[]
  after: string | undefined
} {
  const { data, after } = readPage(body, 'templates')
  const read = data.map((item) => templateShape.safeParse(item)).filter((item) => item.success)
  return { templates: read.map((item) => item.data), after }
}

/**
 * One page of the ids of a WABA's numbers (meta-cloud-api.md §4 "Other endpoints") and the cursor
 * of the next one.
 */
export function readIdPage(body: unknown): { ids: string[]; after: string | undefined } {
  const { data, after } = readPage(body, 'phone numbers')
  return { ids: data.map((item) => String(objectOf(item).id)), after }
}

/**
 * The cursor counts only while `paging.next` is there, for the last page has cursors too (whaloc
 * SPEC 1.5). Its address carries the access token, and is never followed.
 */
function readPage(body: unknown, what: string): { data: unknown[]; after: string | undefined } {
  const { data, paging } = objectOf(cleanJson(body))
  if (!Array.isArray(data))
    throw new AppError('busy', `Meta answered without a list of ${what}. Try again later.`)
  const { next, cursors } = objectOf(paging)
  const { after } = objectOf(cursors)
  return { data, after: typeof next === 'string' && typeof after === 'string' ? after : undefined }
}

const phoneNumberShape = z
  .object({
    id: text,
    display_phone_number: optional,
    verified_name: optional,
    quality_rating: z.string().catch('UNKNOWN'),
    throughput: z.object({ level: z.string() }).catch({ level: '' }),
    whatsapp_business_manager_messaging_limit: optional,
    status: optional,
  })
  .transform(
    (number): GraphPhoneNumber => ({
      id: number.id,
      displayPhoneNumber: number.display_phone_number,
      verifiedName: number.verified_name,
      quality: number.quality_rating,
      throughput: number.throughput.level,
      messagingLimit: number.whatsapp_business_manager_messaging_limit,
      status: number.status,
    }),
  )

/** A phone-number node of Graph. Throws AppError `busy` when the answer is not one. */
export function readPhoneNumber(body: unknown): GraphPhoneNumber {
  const read = phoneNumberShape.safeParse(cleanJson(body))
  if (!read.success)
    throw new AppError('busy', 'Meta answered without a phone number. Try again later.', {
      cause: read.error,
    })
  return read.data
}
