import type { Method } from '@lockstep/rpc'
import type { Account, CreateAccountRequest } from '@lockstep/rpc/gen/accounts'
import { requireText } from '@lockstep/service'
import { v7 as uuid } from 'uuid'
import type { Context } from '../context.ts'
import { AccountSchema } from '../db/entities.ts'

/** Creates a tenant. */
export const createAccount: Method<Context, CreateAccountRequest, Account> = async (
  ctx,
  request,
) => {
  const name = requireText(request.name, 'name')
  const id = uuid()
  return ctx.db.transaction(id, async (tx) => {
    const account = tx.em.create(AccountSchema, { id, name, createdAt: new Date(ctx.now()) })
    return { id, name, createdAtMs: account.createdAt.getTime() }
  })
}
