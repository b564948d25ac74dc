import { parseArgs } from 'node:util'
import { everyRight, linkTo } from '@lockstep/contracts'
import { connect } from '@lockstep/rpc'
import { AccountsDefinition } from '@lockstep/rpc/gen/accounts'
import { addressOfService, certificate } from './operator.ts'
import { readReady } from './ready.ts'
import { createScreen } from './screen.ts'

const help = `npm run people -- set-up (--name NAME | --account ID) [--email EMAIL] [--url URL] [--json]
       npm run people -- reset --email EMAIL [--url URL] [--json]
       npm run people -- reset-second-factor --email EMAIL [--json]

  set-up   creates an account, or takes the one that is named, and prints a link by which one person becomes its owner. There is no
           default password. The link is good once, for 7 days, and for anybody who has it, unless --email says whose it is.

  reset    prints a link by which a person chooses another password: for the only owner, and for who belongs to several accounts. It is
           good once, for a day.

  reset-second-factor
           takes the second factor of a person away who has lost it: for the only owner, and for who belongs to several accounts.

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

const openAccounts = () => connect(AccountsDefinition, addressOfService('accounts'), certificate())

const publicUrl = (): string => values.url ?? env.LOCKSTEP_PUBLIC_URL ?? readReady().api

async function setUp(): Promise<void> {
  using accounts = openAccounts()
  const accountId =
    values.account ?? (await accounts.createAccount({ name: values.name ?? '' }, {})).id
  const asked = { email: values.email, role: 'owner', heldRights: [everyRight] }
  const { token, invitation } = await accounts.createInvitation(asked, { accountId })
  const link = linkTo(publicUrl(), 'invitation', token)
  const expiresAt = new Date(invitation!.expiresAtMs).toISOString()
  if (values.json) return console.log(JSON.stringify({ accountId, link, token, expiresAt }))
  screen.line(
    `Account ${accountId}. Its first owner opens this link, which is good once and until ${expiresAt}:\n`,
  )
  screen.line(`  ${link}\n`)
  byHand('/v1/invitations/accept', { token, email: 'you@example.com', name: 'You', password: '…' })
}

async function reset(): Promise<void> {
  using accounts = openAccounts()
  const { token, expiresAtMs } = await accounts.createAnyPasswordReset({ email: values.email }, {})
  const link = linkTo(publicUrl(), 'password-reset', token)
  const expiresAt = new Date(expiresAtMs).toISOString()
  if (values.json) return console.log(JSON.stringify({ link, token, expiresAt }))
  screen.line(`${values.email} opens this link, which is good once and until ${expiresAt}:\n`)
  screen.line(`  ${link}\n`)
  byHand('/v1/password-resets/use', { token, password: '…' })
}

async function resetSecondFactor(): Promise<void> {
  using accounts = openAccounts()
  const { email } = await accounts.resetAnySecondFactor({ email: values.email }, {})
  if (values.json) return console.log(JSON.stringify({ email }))
  screen.line(`${email} signs in with their password alone, and can set up another second factor`)
}

function byHand(path: string, body: object): void {
  screen.line(`Or by hand, with what follows "#":\n`)
  screen.line(
    `  curl -s ${new URL(path, publicUrl()).href} -H 'Content-Type: application/json' \\\n    -d '${JSON.stringify(body)}'`,
  )
}

function main(): Promise<void> | void {
  if (values.help) return console.log(help)
  const [order, ...more] = positionals
  if (order === 'set-up' && more.length === 0 && (values.name ?? values.account)) return setUp()
  if (order === 'reset' && more.length === 0 && values.email) return reset()
  if (order === 'reset-second-factor' && more.length === 0 && values.email)
    return resetSecondFactor()
  throw new Error(help)
}

try {
  await main()
} catch (error) {
  screen.line((error as Error).message)
  process.exitCode = 2
}
