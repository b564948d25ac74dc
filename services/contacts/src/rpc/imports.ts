import type { Method } from '@lockstep/rpc'
import type * as proto from '@lockstep/rpc/gen/contacts'
import { pageLimit, requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import type { Import } from '../db/entities.ts'
import { listErrors } from '../db/import-errors.ts'
import { findImport } from '../db/imports.ts'

export function importToProto({ createdAt, finishedAt, ...rest }: Import): proto.Import {
  return { ...rest, createdAtMs: createdAt.getTime(), finishedAtMs: finishedAt?.getTime() }
}

/** An import of the account with what has been committed of it. */
export const getImport: Method<Context, proto.GetImportRequest, proto.Import> = (
  ctx,
  request,
  call,
) =>
  ctx.db.transaction(call.accountId, async (tx) =>
    importToProto(await findImport(tx, requireId(request.id, 'import'))),
  )

/** A page of an import's refused rows in line order, 100 by default and at most 1,000. */
export const listImportErrors: Method<
  Context,
  proto.ListImportErrorsRequest,
  proto.ListImportErrorsResponse
> = async (ctx, request, call) => {
  const limit = pageLimit(request.limit, 100, 1_000)
  return ctx.db.transaction(call.accountId, async (tx) => {
    const { id } = await findImport(tx, requireId(request.id, 'import'))
    return { errors: await listErrors(tx, id, request.afterLine, limit) }
  })
}
