import type { Tx } from '@lockstep/database'
import { announce } from '@lockstep/feeds'
import type { GraphToken } from '@lockstep/whatsapp'
import type { Context } from '../context.ts'
import { insertEvents } from '../db/account-events.ts'
import { findConnection } from '../db/connections.ts'
import type { Connection } from '../db/entities.ts'
import type { TokenCheck } from '../db/token-checks.ts'
import { connectionToProto } from '../to-proto.ts'
import { announceHealth } from './announce-health.ts'
import { checkedToken, tokenFacts } from './token-facts.ts'
import { endOf, type TokenFacts, type TokenState, tokenState } from './token-health.ts'

/**
 * Writes what Meta said of a connection's token and tells what is new in it, once. Nothing when it
 * has another token by now, or has ended.
 */
export async function recordToken(
  ctx: Context,
  check: Pick<TokenCheck, 'id' | 'accountId' | 'sealedToken'>,
  said: GraphToken,
): Promise<void> {
  await ctx.db.transaction(check.accountId, async (tx) => {
    const connection = await findConnection(tx, check.id, { lock: true })
    const isSame = Buffer.compare(connection.sealedToken, check.sealedToken) === 0
    if (!isSame || connection.disconnectedAt) return
    const before = await connectionToProto(tx, connection, ctx.now())
    const noticed = connection.tokenNotice
    Object.assign(connection, checkedToken(ctx, mergedFacts(connection, said)))
    await tx.em.flush()
    if (connection.tokenNotice === noticed) return
    await tellToken(ctx, tx, connection)
    const after = await connectionToProto(tx, connection, ctx.now())
    // A notice stands for a health of before: time alone may have changed it since then.
    if (after.health !== 'ok' || before.health !== 'ok' || noticed !== '')
      await announceHealth(ctx, tx, after)
  })
}

/** Of a token that Meta takes no longer it may not say more. */
function mergedFacts(connection: TokenFacts, said: GraphToken): TokenFacts {
  const facts = tokenFacts(said)
  if (said.isValid) return facts
  const { tokenExpiresAt, dataAccessExpiresAt, tokenScopes } = connection
  return {
    tokenExpiresAt: facts.tokenExpiresAt ?? tokenExpiresAt,
    dataAccessExpiresAt: facts.dataAccessExpiresAt ?? dataAccessExpiresAt,
    tokenScopes,
    tokenProblem: facts.tokenProblem,
  }
}

/** To those who follow the account, and among what Meta said of its WABA. */
async function tellToken(ctx: Context, tx: Tx, connection: Connection): Promise<void> {
  const { id, wabaId, phoneNumberId, displayPhoneNumber, tokenNotice } = connection
  const state = tokenState(connection, ctx.now())
  const expiresAt = endOf(connection)?.toISOString() ?? null
  const body = { token_health: state.health, message: state.message, expires_at: expiresAt }
  await announce(ctx, tx, { kind: 'connection.token', subjectId: id, body })
  const value = { connection_id: id, phone_number_id: phoneNumberId, notice: tokenNotice, ...body }
  const event = {
    ...{ wabaId, field: 'access_token', event: state.health.toUpperCase(), value },
    summary: summaryOf(displayPhoneNumber, state),
    occurredAt: null,
    receivedAt: new Date(ctx.now()),
  }
  await insertEvents(tx, [event])
  const line = { connection: id, token: state.health, expiresAt }
  tx.afterCommit(() => ctx.log.warn(line, 'What is known of an access token has changed'))
}

const summaryOf = (number: string, { message }: TokenState): string =>
  `${number}: ${message || 'The access token is good.'}`.slice(0, 1_000).toWellFormed()
