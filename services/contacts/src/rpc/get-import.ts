import type { Method } from '@lockstep/rpc'
import type { GetImportRequest, Import } from '@lockstep/rpc/gen/contacts'
import { requireId } from '@lockstep/service'
import type { Context } from '../context.ts'
import { findImport } from '../db/imports.ts'
import { importToProto } from '../to-proto.ts'

/** An import of the account with its progress, equal to what has been committed. */
export const getImport: Method<Context, GetImportRequest, Import> = (ctx, request, call) =>
  ctx.db.transaction(call.accountId, async (tx) =>
    importToProto(await findImport(tx, requireId(request.id, 'import'))),
  )
