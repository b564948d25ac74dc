import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { experimental } from '@grpc/grpc-js'
import { counter } from '@lockstep/telemetry'

/** Files of a mutual TLS identity; without it services speak plain text. */
export interface TlsFiles {
  ca: string
  cert: string
  key: string
  /** They are read again so often; every 10 s when absent. */
  refreshMs?: number
}

const failedReads = counter(
  'lockstep_rpc_certificate_failures_total',
  'Times that the TLS files of a service could not be read, or did not fit together',
)

const usualRefreshMs = 10_000

type Provider = experimental.CertificateProvider
type OnCa = Parameters<Provider['addCaCertificateListener']>[0]
type OnIdentity = Parameters<Provider['addIdentityCertificateListener']>[0]

/**
 * The certificates in files, read again when these change; new connections take the new ones. Files
 * that do not fit together, as in the middle of a renewal, leave those before in use. Throws when
 * there are none to begin with.
 */
export function watchTls(files: TlsFiles): Provider & Disposable {
  const onCa = new Set<OnCa>()
  const onIdentity = new Set<OnIdentity>()
  let current = read(files)
  const tellCa = (listener: OnCa) => listener({ caCertificate: current.ca })
  const tellIdentity = (listener: OnIdentity) =>
    listener({ certificate: current.cert, privateKey: current.key })
  const refresh = () => {
    try {
      const next = read(files)
      if (isSame(next, current)) return
      current = next
      onCa.forEach(tellCa)
      onIdentity.forEach(tellIdentity)
    } catch {
      failedReads(1)
    }
  }
  const timer = setInterval(refresh, files.refreshMs ?? usualRefreshMs).unref()
  return {
    addCaCertificateListener(listener) {
      onCa.add(listener)
      // A server can hear only once it has added its listeners.
      process.nextTick(tellCa, listener)
    },
    removeCaCertificateListener: (listener) => void onCa.delete(listener),
    addIdentityCertificateListener(listener) {
      onIdentity.add(listener)
      process.nextTick(tellIdentity, listener)
    },
    removeIdentityCertificateListener: (listener) => void onIdentity.delete(listener),
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

interface Identity {
  ca: Buffer
  cert: Buffer
  key: Buffer
}

/** Throws unless the key is that of the certificate. */
function read({ ca, cert, key }: TlsFiles): Identity {
  const identity = { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) }
  createSecureContext(identity)
  return identity
}

const isSame = (one: Identity, other: Identity): boolean =>
  one.ca.equals(other.ca) && one.cert.equals(other.cert) && one.key.equals(other.key)
