import type { Method } from '@lockstep/rpc'
import type { ListImportErrorsRequest, ListImportErrorsResponse } from '@lockstep/rpc/gen/contacts'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { findImport, listErrors } from '../db/imports.ts'
import { pageLimit } from '../page.ts'

/** A page of an import's refused rows in line order; 100 by default, at most 1,000. The first 10,000 are kept. */
export const listImportErrors: Method<
  Context,
  ListImportErrorsRequest,
  ListImportErrorsResponse
> = async (ctx, request, call) => {
  const limit = pageLimit(request.limit, 100, 1_000)
  return ctx.db.transaction(call.accountId, async (tx) => {
    const { id } = await findImport(tx, requireId(request.id, 'import'))
    return { errors: await listErrors(tx, id, request.afterLine, limit) }
  })
}
