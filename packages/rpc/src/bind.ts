import type { Caller } from '@lockstep/contracts'
import type { CallContext, ServiceImplementation } from 'nice-grpc'
import type { CompatServiceDefinition } from 'nice-grpc/lib/service-definitions/index.js'
import type { BoundService } from './bound-service.ts'
import { accountOf, actorOf, type Call, requireAccount } from './call.ts'
import { callerOf } from './callers.ts'

/** Every method of a definition, each taking (ctx, request, call). */
export type MethodsOf<Definition extends CompatServiceDefinition, Context> = {
  [Name in keyof ServiceImplementation<Definition>]: ServiceImplementation<Definition>[Name] extends (
    request: infer Request,
    context: CallContext,
  ) => infer Result
    ? (ctx: Context, request: Request, call: Call) => Result
    : never
}

/** The names of a definition's methods. */
type MethodName<Definition extends CompatServiceDefinition> =
  keyof ServiceImplementation<Definition> & string

export interface BindOptions<Definition extends CompatServiceDefinition> {
  /** Who may call each method. */
  callers: Readonly<Record<MethodName<Definition>, readonly Caller[]>>
  /** Methods that act for no account, or for several. */
  acrossAccounts?: readonly MethodName<Definition>[]
}

type AnyMethod = (ctx: unknown, request: unknown, call: Call) => unknown

/** Each method acts for an account unless it is named in `acrossAccounts`. */
export function bind<Definition extends CompatServiceDefinition, Context>(
  definition: Definition,
  ctx: Context,
  methods: MethodsOf<Definition, Context>,
  { callers, acrossAccounts = [] }: BindOptions<Definition>,
): BoundService {
  const implementation: BoundService['implementation'] = {}
  for (const [name, method] of Object.entries(methods) as [string, AnyMethod][]) {
    const needsAccount = !(acrossAccounts as readonly string[]).includes(name)
    implementation[name] = (request, context) => {
      const caller = callerOf(context.metadata)
      const actor = actorOf(context.metadata)
      const call: Call = {
        accountId: accountOf(context.metadata),
        signal: context.signal,
        ...(caller && { caller }),
        ...(actor && { actor }),
      }
      if (needsAccount) requireAccount(call)
      return method(ctx, request, call)
    }
  }
  return { definition, implementation, callers }
}
