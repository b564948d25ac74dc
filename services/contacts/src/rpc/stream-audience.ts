import type { StreamMethod } from '@lockstep/rpc'
import type { AudienceBatch, AudienceContact, StreamAudienceRequest } from '@lockstep/rpc/gen/contacts'
import { refusalOf } from '../consent.ts'
import type { Context } from '../context.ts'
import { type AudienceRow, audiencePage } from '../db/queries.ts'

const pageRows = 1_000
const batchRows = 500
/** A message may have 16 MB; a batch ends before the contact that brings its attributes over this. */
const batchBytes = 4_000_000

/** A filter's audience in contact id order, a short transaction a page, so that a slow reader holds nothing open. */
export const streamAudience: StreamMethod<Context, StreamAudienceRequest, AudienceBatch> = async function* (ctx, request, call) {
  for (let after = request.after || null; ; ) {
    call.signal?.throwIfAborted()
    const page: AudienceRow[] = await ctx.db.transaction(call.accountId, (tx) => audiencePage(tx, request.filter, after, pageRows))
    const contacts = page.map((row) => ({ ...row, skipReason: refusalOf(row, request.marketing) }))
    for (const batch of batches(contacts)) yield { contacts: batch }
    if (page.length < pageRows) return
    after = page.at(-1)!.id
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
