import type { StreamMethod } from '@lockstep/rpc'
import type {
  AudienceBatch,
  AudienceContact,
  StreamAudienceRequest,
} from '@lockstep/rpc/gen/contacts'
import { requireId } from '@lockstep/service'
import { isSentDespiteOptOut, refusalOf } from '../consents/consent.ts'
import type { Context } from '../context.ts'
import { type AudiencePage, audiencePage } from '../db/audience.ts'
import { consentRules } from '../db/consent-rules.ts'
import type { FilterPage } from '../db/filter-page.ts'
import { readList } from '../list-transaction.ts'

const pageRows = 1_000
const batchRows = 500
/** Most attributes of a batch, in bytes: a message may have 16 MB. */
const batchBytes = 4_000_000

/** A filter's audience in contact id order, a transaction a page: a slow reader holds none open. */
export const streamAudience: StreamMethod<Context, StreamAudienceRequest, AudienceBatch> =
  async function* (ctx, request, call) {
    const { accountId, signal } = call
    const { filter, category } = request
    let after: string | null | undefined = request.after
      ? requireId(request.after, 'contact')
      : null
    const despiteOptOut = isSentDespiteOptOut(
      category,
      await ctx.db.transaction(accountId, consentRules),
    )
    while (after !== undefined) {
      const page: FilterPage = { accountId, filter, after, limit: pageRows }
      const { rows, last }: AudiencePage = await readList(ctx, accountId, signal, (tx) =>
        audiencePage(tx, page),
      )
      const contacts = rows.map((row) => ({ ...row, skipReason: refusalOf(row, despiteOptOut) }))
      for (const batch of batches(contacts)) yield { contacts: batch }
      after = last
    }
  }

/** Contacts in their order, in batches that a message can hold whatever they carry. */
function* batches(contacts: AudienceContact[]): Generator<AudienceContact[]> {
  let batch: AudienceContact[] = []
  let bytes = 0
  for (const contact of contacts) {
    const more = Buffer.byteLength(contact.attributesJson)
    if (batch.length === batchRows || (batch.length > 0 && bytes + more > batchBytes)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(contact)
    bytes += more
  }
  if (batch.length > 0) yield batch
}
