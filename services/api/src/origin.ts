import type { Call } from '@lockstep/rpc'
import type { FastifyRequest } from 'fastify'

/** Where a request came from. */
export interface Origin {
  address: string
  userAgent: string
  requestId: string
}

export const originOf = ({ ip, headers, id }: FastifyRequest): Origin => ({
  address: ip,
  userAgent: headers['user-agent'] ?? '',
  requestId: id,
})

/** The account and the actor that the services are told. */
export function callOf({ caller, ip, id }: FastifyRequest): Call {
  if (!caller) return { accountId: '' }
  const { accountId, kind } = caller
  const who = caller.kind === 'person' ? caller.personId : caller.keyId
  return { accountId, actor: { kind, id: who, address: ip, requestId: id } }
}
