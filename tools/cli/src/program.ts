import { Command } from '@commander-js/extra-typings'
import { addApiKeys } from './commands/api-keys.ts'
import { addAttributes } from './commands/attributes.ts'
import { addAudit } from './commands/audit.ts'
import { addCampaigns } from './commands/campaigns.ts'
import { addContacts, addImport } from './commands/contacts.ts'
import { addConversations } from './commands/conversations.ts'
import { addDeadLetters } from './commands/dead-letters.ts'
import { addEvents } from './commands/events.ts'
import { addInvitations } from './commands/invitations.ts'
import { addLogin } from './commands/login.ts'
import { addMembers } from './commands/members.ts'
import { addConnections, addTemplates } from './commands/numbers.ts'
import { addRoles } from './commands/roles.ts'
import { addWebhookEndpoints } from './commands/webhook-endpoints.ts'
import { addCompletion } from './completion.ts'
import { openSession, type Program } from './session.ts'

const afterHelp = `
Exit codes: 0 done; 1 it failed, or what was watched did not end well; 2 the command line is
wrong, or nobody is logged in; 3 the key is not valid or lacks a right; 4 there is no such thing;
5 the API is away or busy; 130 Ctrl-C.

Without a context: LOCKSTEP_API_URL and LOCKSTEP_API_KEY. NO_COLOR=1 turns colours off.`

export function createProgram(): Program {
  const program: Program = new Command('lockstep')
    .description('Lockstep from the command line: what it can do, the public API can')
    .option('--json', 'JSON, one line for each thing')
    .option('--context <name>', 'another server than the current one')
    .addHelpText('after', afterHelp)
    .exitOverride()
  const open = () => openSession(program)
  addLogin(program)
  addConnections(program, open)
  addTemplates(program, open)
  addContacts(program, open)
  addImport(program, open)
  addAttributes(program, open)
  addCampaigns(program, open)
  addConversations(program, open)
  addEvents(program, open)
  addWebhookEndpoints(program, open)
  addApiKeys(program, open)
  addMembers(program, open)
  addRoles(program, open)
  addInvitations(program, open)
  addAudit(program, open)
  addDeadLetters(program, open)
  addCompletion(program)
  return program
}
