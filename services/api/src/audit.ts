import { cleanText, cleanTrimmed, failureOf } from '@lockstep/contracts'
import type { Call } from '@lockstep/rpc'
import type { Context } from './context.ts'
import type { NamedRoute } from './route.ts'

type Input = Parameters<NamedRoute['run']>[1]

/** A longer body is not kept. */
const longestBody = 4_000

/**
 * Runs a route. An order for another service than accounts is recorded before it is given, so that
 * none is missing, and finished afterwards; what stays unknown may have had its effect.
 */
export async function runRecorded(
  ctx: Context,
  route: NamedRoute,
  input: Input,
  call: Call,
): Promise<unknown> {
  if (route.audit !== 'api') return route.run(ctx, input, call)
  const { id } = await ctx.peers.accounts.recordOrder(orderOf(route, input), call)
  const finish = (outcome: string, targetId = '') =>
    ctx.peers.accounts
      .finishOrder({ id, outcome, targetId }, call)
      .catch((err) => ctx.log.warn({ err, auditEntry: id }, 'An order could not be finished'))
  try {
    const response = await route.run(ctx, input, call)
    await finish('done', idIn(response))
    return response
  } catch (error) {
    await finish(failureOf(error))
    throw error
  }
}

function orderOf({ name, path, isPersonal }: NamedRoute, { params, body }: Input) {
  const kept = isPersonal ? { fields: Object.keys(body as object) } : body
  const text = isPlain(kept) ? JSON.stringify(kept, storable) : ''
  return {
    action: name,
    targetKind: path.split('/')[2]!,
    targetId: idIn(params),
    afterJson: text.length <= longestBody && text !== '{}' ? text : '',
  }
}

/** An uploaded file is none. */
const isPlain = (body: unknown): boolean => Object.getPrototypeOf(body ?? {}) === Object.prototype

const storable = (_name: string, value: unknown) =>
  typeof value === 'string' ? cleanText(value) : value

const idIn = (value: unknown): string => {
  const { id } = value as { id?: unknown }
  return typeof id === 'string' ? cleanTrimmed(id, 64) : ''
}
