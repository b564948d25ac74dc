import { AppError } from '@lockstep/contracts'
import type { Call, Method } from '@lockstep/rpc'
import type {
  GetHearingRequest,
  GetHearingResponse,
  UnheardPart,
} from '@lockstep/rpc/gen/webhook_gateway'
import { lookBackMs } from '../claims.ts'
import type { Context } from '../context.ts'
import { hearingOf, oldestUnclaimed, type Unheard } from '../db/hearing.ts'
import type { LiveNumber } from '../numbers.ts'

/** As many numbers as one statement looks for. */
const maxNumbers = 500

/**
 * How far what came for the account's numbers has been heard, for whoever wants to send by one of them. Unclaimed parts count
 * where their app has the number now: connecting claims those and no others.
 */
export const getHearing: Method<Context, GetHearingRequest, GetHearingResponse> = async (
  ctx,
  request,
  call,
) => {
  if (!request.phoneNumberId || request.connectedAtMs <= 0)
    throw new AppError(
      'invalid',
      '"phone_number_id" and "connected_at_ms" of the connection are needed',
    )
  const numbers = await ctx.numbers.of(call.accountId)
  // What is claimed meanwhile is open when that is asked: asked the other way round it could be neither.
  const unclaimed = await unclaimedOf(ctx, numbers)
  // Whoever was to claim it may have been killed, or not have heard of the connection.
  if (unclaimed)
    ctx.claims.claim(
      { id: unclaimed.appId, accountId: call.accountId },
      { phoneNumberIds: [unclaimed.key], wabaIds: [] },
    )
  const sender = {
    accountId: call.accountId,
    phoneNumberId: request.phoneNumberId,
    appIds: await appsOf(ctx, request, call),
    connectedAt: new Date(request.connectedAtMs),
  }
  const { oldest, dead, deadParts, hasEarlier } = await ctx.db.system((tx) => hearingOf(tx, sender))
  const name = (part: Unheard | null | undefined): UnheardPart | undefined =>
    part ? { ...namesOf(numbers, part), receivedAtMs: part.receivedAtMs } : undefined
  return {
    oldest: name(older<Unheard>(oldest, unclaimed)),
    dead: name(dead),
    deadParts,
    hasEarlier,
  }
}

function namesOf(
  numbers: LiveNumber[],
  { lane, key }: Unheard,
): Pick<UnheardPart, 'phoneNumberId' | 'number'> {
  if (lane !== 'webhooks.message') return { phoneNumberId: '', number: `campaign ${key}` }
  return {
    phoneNumberId: key,
    number: numbers.find(({ phoneNumberId }) => phoneNumberId === key)?.number ?? key,
  }
}

const older = <Part extends Unheard>(a: Part | null, b: Part | null): Part | null =>
  !a || (b && b.receivedAtMs < a.receivedAtMs) ? b : a

async function unclaimedOf(
  ctx: Context,
  numbers: LiveNumber[],
): Promise<(Unheard & { appId: string }) | null> {
  let oldest: (Unheard & { appId: string }) | null = null
  for (const [appId, its] of Map.groupBy(numbers, (number) => number.appId)) {
    const ids = its.map(({ phoneNumberId }) => phoneNumberId)
    for (let i = 0; i < ids.length; i += maxNumbers) {
      const found = await ctx.db.system((tx) =>
        oldestUnclaimed(tx, appId, ids.slice(i, i + maxNumbers)),
      )
      oldest = older(oldest, found ? { ...found, appId } : null)
    }
  }
  return oldest
}

/** The account's apps that have or had the number as far back as parts are kept: connecting claims what any of them signed. */
async function appsOf(
  ctx: Context,
  { phoneNumberId, connectedAtMs }: GetHearingRequest,
  call: Call,
): Promise<string[]> {
  const untilMs = Math.max(ctx.now(), connectedAtMs)
  if (connectedAtMs < untilMs - lookBackMs) return []
  const asked = {
    phoneNumberIds: [phoneNumberId],
    wabaIds: [],
    fromMs: untilMs - lookBackMs,
    untilMs,
  }
  const { intervals } = await ctx.peers.accounts.resolveConnections(asked, { signal: call.signal })
  return [
    ...new Set(
      intervals.flatMap(({ accountId, appId }) => (accountId === call.accountId ? [appId] : [])),
    ),
  ]
}
