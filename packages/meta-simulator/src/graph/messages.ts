import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply } from 'fastify'
import { accountFault } from '../account-event.ts'
import type { Context } from '../context.ts'
import { draws, personOf, pickShare, wamid, within } from '../fate.ts'
import { errorAnswer, type GraphAnswer, type GraphFault } from '../graph-errors.ts'
import type { PostLine } from '../log.ts'
import { orderedError, orderedFault } from '../orders.ts'
import { journeyOf, tallyOf } from '../replay.ts'
import { parseBody, readSend, type SendRequest, sendFault } from '../send-check.ts'
import type { FaultKind } from '../settings.ts'
import type { PhoneNumber } from '../state.ts'
import { type GraphRequest, send } from './send.ts'
import { findNumber } from './token-check.ts'

type Line = Omit<PostLine, 'seq'>

interface Decision {
  line: Line
  answer: GraphAnswer
  fault?: FaultKind | undefined
  latencyMs: number
}

/** `POST /{version}/{phone-number-id}/messages` (meta-cloud-api.md §4): decided at once, written to the log, then answered. */
export function messages(ctx: Context) {
  return async (req: GraphRequest, reply: FastifyReply) => {
    const atMs = Date.now()
    const { id } = req.params
    const number = findNumber(ctx, req, 'post')
    const body = parseBody(req.body as Buffer | undefined)
    if ('token' in number && body.status === 'read') return markRead(ctx, number, body, reply)
    const decision = decide(ctx, id, number, body, atMs)
    // Made before the wait: a restart works the fate out from the settings at this place in the log.
    const journey =
      decision.line.outcome === 'accepted' ? journeyOf(ctx.settings, decision.line) : undefined
    await ctx.log.append(decision.line)
    if (journey) ctx.journeys.start(journey, atMs)
    // Without a reference: a late answer does not keep a stopped simulator alive.
    if (decision.latencyMs > 0) await sleep(decision.latencyMs, undefined, { ref: false })
    return decision.fault
      ? spoil(decision.fault, decision.answer, reply, ctx.log.seq)
      : send(reply, decision.answer)
  }
}

function decide(
  ctx: Context,
  id: string,
  number: PhoneNumber | GraphFault,
  body: Record<string, unknown>,
  atMs: number,
): Decision {
  const request = readSend(body)
  const { type, ...known } = request
  const line: Line = {
    atMs,
    kind: 'post',
    phoneNumberId: id,
    type,
    ...known,
    outcome: 'rejected',
    answer: 'sent',
  }
  if (!('token' in number)) return refusal(ctx, line, number, id)
  const wrong =
    accountFault(ctx.world, number, type, atMs) ?? sendFault(ctx.world, number, body, request)
  if (wrong) return refusal(ctx, line, wrong, number.wabaId)
  return decideByFate(ctx, line, number, request)
}

function refusal(
  ctx: Context,
  line: Line,
  fault: GraphFault,
  wabaId: string,
  latencyMs = 0,
): Decision {
  const answer = errorAnswer(fault, `${line.phoneNumberId}|${ctx.log.seq}`, wabaId)
  return { line: { ...line, code: fault.code, httpStatus: answer.status }, answer, latencyMs }
}

/** What becomes of a send that is right: by what was ordered, by shares and by limits. */
function decideByFate(
  ctx: Context,
  line: Line,
  number: PhoneNumber,
  request: SendRequest,
): Decision {
  const { phoneNumberId } = line
  const recipient = request.recipient!
  const tally = tallyOf(ctx.tallies, phoneNumberId, recipient)
  line.nthPost = ++tally.posts
  const draw = draws(ctx.settings.seed, 'post', phoneNumberId, recipient, tally.posts)
  const [fails, spoils, waits] = [draw(), draw(), draw()]
  const latencyMs = within(ctx.settings.latencyMs, waits)
  const refused =
    orderedError(ctx.settings, 'messages', { phoneNumberId, recipient }) ??
    sharedError(ctx.settings.errors.shares, fails) ??
    ctx.limits.take(ctx.settings.limits, phoneNumberId, recipient, line.atMs)
  if (refused) return refusal(ctx, line, refused, number.wabaId, latencyMs)

  const fault =
    orderedFault(ctx.settings, { phoneNumberId, recipient }) ??
    pickShare(ctx.settings.faults.shares, spoils)
  if (fault === 'lost')
    return {
      line: { ...line, outcome: 'lost', answer: fault },
      answer: { status: 0, body: null },
      fault,
      latencyMs,
    }
  line.nth = ++tally.messages
  line.wamid = wamid(recipient, 'out', ctx.settings.seed, phoneNumberId, recipient, tally.messages)
  const accepted: Line = { ...line, outcome: 'accepted', httpStatus: 200, answer: fault ?? 'sent' }
  return { line: accepted, answer: acceptance(number, request, line.wamid), fault, latencyMs }
}

function sharedError(shares: Record<string, number>, draw: number): GraphFault | undefined {
  const code = pickShare(shares, draw)
  return code === undefined ? undefined : { code: Number(code) }
}

/** Shape: meta-cloud-api.md §4, "200 response"; without wa_id for a send by user id (§3). */
function acceptance(number: PhoneNumber, request: SendRequest, id: string): GraphAnswer {
  const { waId, userId } = personOf(number.wabaId, request.recipient!)
  const contact = {
    input: request.input,
    ...(waId !== undefined && { wa_id: waId }),
    user_id: userId,
  }
  const message = { id, ...(request.type === 'template' && { message_status: 'accepted' }) }
  return {
    status: 200,
    body: { messaging_product: 'whatsapp', contacts: [contact], messages: [message] },
  }
}

/** Marks an inbound message as read (meta-cloud-api.md §4). */
async function markRead(
  ctx: Context,
  number: PhoneNumber,
  body: Record<string, unknown>,
  reply: FastifyReply,
) {
  const messageId = body.message_id
  if (typeof messageId !== 'string') {
    return send(
      reply,
      errorAnswer(
        { code: 100, details: 'The parameter message_id is required.' },
        ctx.log.seq,
        number.wabaId,
      ),
    )
  }
  await ctx.log.append({ atMs: Date.now(), kind: 'receipt', phoneNumberId: number.id, messageId })
  return send(reply, { status: 200, body: { success: true } })
}

/** Spoils the answer. The bodies of a failing gateway are no JSON (meta-cloud-api.md §4). */
function spoil(
  fault: FaultKind,
  answer: GraphAnswer,
  reply: FastifyReply,
  seq: number,
): FastifyReply {
  if (fault === 'bad-gateway')
    return reply
      .code(502)
      .type('text/html')
      .send('<html><body><h1>502 Bad Gateway</h1></body></html>')
  if (fault === 'unknown-error') return send(reply, errorAnswer({ code: 131000 }, seq, ''))
  if (fault === 'unreadable')
    return reply.code(200).type('application/json').send(JSON.stringify(answer.body).slice(0, 40))
  reply.hijack()
  // `hang` leaves the socket open; it is closed when the caller or the simulator goes.
  if (fault !== 'hang') reply.raw.socket?.resetAndDestroy()
  return reply
}
