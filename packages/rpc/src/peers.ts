import { definitions } from '../gen/definitions.ts'
import { connect, type RpcClient } from './client.ts'
import type { TlsFiles } from './tls-files.ts'

/** A service that can be called. */
export type PeerName = keyof typeof definitions

type DefinitionOf<Name extends PeerName> = Awaited<ReturnType<(typeof definitions)[Name]>>

type CamelCase<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name

/** Clients by the names of their services, in camel case: `webhookGateway`. */
export type Peers<Name extends PeerName = PeerName> = {
  [Each in Name as CamelCase<Each>]: RpcClient<DefinitionOf<Each>>
}

/** A service's client. */
export type Peer<Name extends PeerName> = RpcClient<DefinitionOf<Name>>

/** Clients of some services, which connect at their first call. */
export async function connectPeers<Name extends PeerName>(
  names: readonly Name[],
  addressOf: (name: Name) => string,
  tls?: TlsFiles,
): Promise<Peers<Name> & Disposable> {
  const stack = new DisposableStack()
  const clients: Record<string, unknown> = {}
  for (const name of names)
    clients[peerKey(name)] = stack.use(
      connect(await definitions[name](), addressOf(name), tls) as RpcClient<DefinitionOf<Name>>,
    )
  return Object.assign(clients as Peers<Name>, { [Symbol.dispose]: () => stack.dispose() })
}

/** A service's name as that of its client. */
export function peerKey(name: PeerName): keyof Peers {
  return name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase()) as keyof Peers
}
