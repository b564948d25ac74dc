import { connectPeers, type PeerName, type Peers, peerKey } from '@lockstep/rpc'
import { definitions } from '@lockstep/rpc/definitions'
import { loadService, type PortPlan } from '@lockstep/system'
import { certificateOf } from './certificates.ts'

/** Clients of all services that can be called. */
export type Clients = Peers

/** With certificates each method is called as the api, or as the operator where that may. */
export async function openClients(
  stack: AsyncDisposableStack,
  ports: PortPlan,
  tls = false,
): Promise<Clients> {
  const names = Object.keys(definitions) as PeerName[]
  const at = (name: PeerName) => `127.0.0.1:${ports[name].grpc}`
  if (!tls) return stack.use(await connectPeers(names, at))
  const api = stack.use(await connectPeers(names, at, certificateOf('api')))
  const operator = stack.use(await connectPeers(names, at, certificateOf('operator')))
  for (const name of names) {
    const { rpc } = await loadService(name)
    const key = peerKey(name)
    const methods = Object.entries(rpc?.callers ?? {}).filter(([, callers]) =>
      callers.includes('operator'),
    )
    for (const [method] of methods)
      Object.assign(api[key], { [method]: operator[key][method as never] })
  }
  return api
}
