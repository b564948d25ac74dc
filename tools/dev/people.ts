import { parseArgs } from 'node:util'
import { everyRight } from '@lockstep/contracts'
import { connect, type TlsFiles } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { readReady } from './ready.ts'
import { createScreen } from './screen.ts'

const help = `npm run people -- set-up (--name NAME | --account ID) [--email EMAIL] [--url URL] [--json]

  set-up   creates an account, or takes the one that is named, and prints a link by which one person becomes its owner. There is no
           default password. The link is good once, for 7 days, and for anybody who has it, unless --email says whose it is.

  It asks the system that npm start runs, or the accounts service at LOCKSTEP_ACCOUNTS_ADDRESS with the operator's certificate in
  LOCKSTEP_GRPC_TLS_CA, LOCKSTEP_GRPC_TLS_CERT and LOCKSTEP_GRPC_TLS_KEY. --url is where the API is reached; LOCKSTEP_PUBLIC_URL is
  taken without it.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    name: { type: 'string' },
    account: { type: 'string' },
    email: { type: 'string', default: '' },
    url: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const screen = createScreen(values.json)
const env = process.env

function certificate(): TlsFiles | undefined {
  const { LOCKSTEP_GRPC_TLS_CA: ca, LOCKSTEP_GRPC_TLS_CERT: cert, LOCKSTEP_GRPC_TLS_KEY: key } = env
  return ca && cert && key ? { ca, cert, key } : undefined
}

async function setUp(): Promise<void> {
  const address = env.LOCKSTEP_ACCOUNTS_ADDRESS ?? readReady().grpc.accounts!
  const url = values.url ?? env.LOCKSTEP_PUBLIC_URL ?? readReady().api
  using accounts = connect(AccountsDefinition, address, certificate())
  const accountId =
    values.account ?? (await accounts.createAccount({ name: values.name ?? '' }, {})).id
  const asked = { email: values.email, role: 'owner', heldRights: [everyRight] }
  const { token, invitation } = await accounts.createInvitation(asked, { accountId })
  const link = new URL(`/invitation#${token}`, url).href
  const expiresAt = new Date(invitation!.expiresAtMs).toISOString()
  if (values.json) return console.log(JSON.stringify({ accountId, link, token, expiresAt }))
  screen.line(
    `Account ${accountId}. Its first owner opens this link, which is good once and until ${expiresAt}:\n`,
  )
  screen.line(`  ${link}\n`)
  screen.line('Or by hand, with what follows "#":\n')
  screen.line(`  curl -s ${new URL('/v1/invitations/accept', url).href} -H 'Content-Type: application/json' \\
    -d '{"token": "${token}", "email": "you@example.com", "name": "You", "password": "…"}'`)
}

try {
  if (values.help) console.log(help)
  else if (positionals.join() !== 'set-up' || !(values.name ?? values.account))
    throw new Error(help)
  else await setUp()
} catch (error) {
  screen.line((error as Error).message)
  process.exitCode = 2
}
