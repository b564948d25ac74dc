import type { Caller } from '@lockstep/contracts'
import type { CompatServiceDefinition } from 'nice-grpc/lib/service-definitions/index.js'
import { type BoundService, bind, type Call } from '../src/index.ts'

/** A service of which a test serves some methods; the others fail. */
export function serveSome<Request>(
  definition: CompatServiceDefinition & { methods: object },
  methods: Record<string, (ctx: unknown, request: Request, call: Call) => unknown>,
  acrossAccounts: string[] = [],
  callers: Record<string, readonly Caller[]> = {},
): BoundService {
  const others = Object.entries(
    definition.methods as Record<string, { responseStream: boolean }>,
  ).map(([name, { responseStream }]) => {
    const error = new Error(`${name} isn't served here`)
    const stream = async function* () {
      yield await Promise.reject(error)
    }
    return [name, responseStream ? stream : () => Promise.reject(error)]
  })
  return bind(definition, {}, { ...Object.fromEntries(others), ...methods } as never, {
    callers: callers as never,
    acrossAccounts: acrossAccounts as never[],
  })
}
