import { events, secretPlaces } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { Call } from '@lockstep/rpc'
import type { Connection as ConnectionProto } from '@lockstep/rpc/gen/accounts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import type { Connection } from '../db/entities.ts'
import { connectionToProto } from '../to-proto.ts'
import { restoreAccess } from '../updates/account-update-rules.ts'
import { announceHealth } from './announce-health.ts'
import { checkedToken } from './token-facts.ts'
import type { TokenFacts } from './token-health.ts'

/** Gives a connection whose row is locked another token, which Meta has accepted. */
export async function replaceStoredToken(
  ctx: Context,
  tx: Tx,
  call: Pick<Call, 'actor'>,
  {
    connection,
    token,
    facts,
    action,
  }: {
    connection: Connection
    token: string
    facts: TokenFacts
    action: string
  },
): Promise<ConnectionProto> {
  const { id, accountId } = connection
  connection.sealedToken = ctx.secrets.seal(token, secretPlaces.connection(id, accountId))
  Object.assign(connection, checkedToken(ctx, facts))
  restoreAccess(connection, ctx.now())
  await record(ctx, tx, call, { action, targetKind: 'connections', targetId: id })
  tx.afterCommit(() => ctx.messaging.publishEvent(events.appsChanged, connection.appId))
  const told = await connectionToProto(tx, connection, ctx.now())
  await announceHealth(ctx, tx, told)
  return told
}
