import { AppError } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import { requireId } from '@lockstep/service'
import { type EndpointRow, findEndpoint, lockEndpoint } from '../db/endpoints.ts'

/** The account's endpoint, held until the commit if it is to be changed. Throws `not_found`. */
export async function requireEndpoint(
  tx: Tx,
  text: string,
  { lock = false } = {},
): Promise<EndpointRow> {
  const id = requireId(text, 'webhook endpoint')
  const endpoint = await (lock ? lockEndpoint(tx, id) : findEndpoint(tx, id))
  if (!endpoint) throw new AppError('not_found', `There is no webhook endpoint ${id}`)
  return endpoint
}
