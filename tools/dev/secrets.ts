import { parseArgs } from 'node:util'
import { connect, type TlsFiles } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { readReady } from './ready.ts'
import { createScreen } from './screen.ts'

const help = `npm run secrets -- reseal [--after PLACE] [--json]

  reseal   seals every stored secret again that isn't sealed with the first key of LOCKSTEP_ENCRYPTION_KEY, a page of rows at a
           time. Afterwards the other keys may be removed. It may be broken off and begun again; --after goes on at a place.

  It asks the system that npm start runs, or the accounts service at LOCKSTEP_ACCOUNTS_ADDRESS with the operator's certificate in
  LOCKSTEP_GRPC_TLS_CA, LOCKSTEP_GRPC_TLS_CERT and LOCKSTEP_GRPC_TLS_KEY.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    after: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const screen = createScreen(values.json)
const env = process.env

const addressOfAccounts = (): string => env.LOCKSTEP_ACCOUNTS_ADDRESS ?? readReady().grpc.accounts!

function certificate(): TlsFiles | undefined {
  const { LOCKSTEP_GRPC_TLS_CA: ca, LOCKSTEP_GRPC_TLS_CERT: cert, LOCKSTEP_GRPC_TLS_KEY: key } = env
  return ca && cert && key ? { ca, cert, key } : undefined
}

async function reseal(address: string): Promise<void> {
  using accounts = connect(AccountsDefinition, address, certificate())
  const unreadable: string[] = []
  let resealed = 0
  let keyId = 0
  for (let after = values.after, isLast = false; !isLast; isLast = after === '') {
    const page = await accounts.resealSecrets({ after }, { timeoutMs: 60_000 })
    after = page.next
    keyId = page.keyId
    resealed += page.resealed
    unreadable.push(...page.unreadable)
    if (after && page.resealed > 0)
      screen.line(`  ${resealed} rows so far; if this ends, go on with --after ${after}`)
  }
  if (values.json) return console.log(JSON.stringify({ resealed, unreadable, keyId }))
  screen.line(`${resealed} rows are sealed with key ${keyId} now.`)
  if (unreadable.length === 0)
    return screen.line(
      'When a second run finds 0 rows, LOCKSTEP_ENCRYPTION_KEY needs no other key any more.',
    )
  screen.line(
    `${unreadable.length} rows can't be opened with any key and are left as they are:\n  ${unreadable.join('\n  ')}`,
  )
  process.exitCode = 1
}

function main(): Promise<void> | void {
  if (values.help) return console.log(help)
  if (positionals.length !== 1 || positionals[0] !== 'reseal') throw new Error(help)
  return reseal(addressOfAccounts())
}

try {
  await main()
} catch (error) {
  screen.line((error as Error).message)
  process.exitCode = 2
}
