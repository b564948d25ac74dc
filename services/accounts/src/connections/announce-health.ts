import type { Tx } from '@lockstep/database'
import { announce } from '@lockstep/feeds'
import type { Connection } from '@lockstep/rpc/gen/accounts'
import type { Context } from '../context.ts'

type Health = Pick<Connection, 'id' | 'health' | 'healthReason' | 'disconnectedAtMs'>

/** Tells those who follow the account what a connection can do now. */
export function announceHealth(ctx: Context, tx: Tx, connection: Health): Promise<void> {
  const { id, health, healthReason: reason, disconnectedAtMs } = connection
  const body = { connected: disconnectedAtMs === undefined, health, reason }
  return announce(ctx, tx, { kind: 'connection.health', subjectId: id, body })
}
