import type { StreamMethod } from '@lockstep/rpc'
import type { AudienceBatch, StreamAudienceRequest } from '@lockstep/rpc/gen/contacts'
import { refusalOf } from '../consent.ts'
import type { Context } from '../context.ts'
import { type AudienceRow, audiencePage } from '../db/queries.ts'

const pageRows = 1_000
/** A contact can carry 16 kB of attributes, a message 16 MB. */
const batchRows = 500

/** A filter's audience in contact id order, a short transaction a page, so that a slow reader holds nothing open. */
export const streamAudience: StreamMethod<Context, StreamAudienceRequest, AudienceBatch> = async function* (ctx, request, call) {
  for (let after: string | null = null; ; ) {
    call.signal?.throwIfAborted()
    const page: AudienceRow[] = await ctx.db.transaction(call.accountId, (tx) => audiencePage(tx, request.filter, after, pageRows))
    const contacts = page.map((row) => ({ ...row, skipReason: refusalOf(row, request.marketing) }))
    for (let at = 0; at < contacts.length; at += batchRows) yield { contacts: contacts.slice(at, at + batchRows) }
    if (page.length < pageRows) return
    after = page.at(-1)!.id
  }
}
