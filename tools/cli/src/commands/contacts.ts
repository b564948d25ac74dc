import { createReadStream, existsSync } from 'node:fs'
import path from 'node:path'
import { Argument } from '@commander-js/extra-typings'
import type { Contact } from '@lockstep/client'
import { CliError, exitCodes } from '../errors.ts'
import { limitOption, pairs, several } from '../options.ts'
import type { Column } from '../output.ts'
import { atMost, type OpenSession, type Program, type Session, watch } from '../session.ts'

const columns: readonly Column<Contact>[] = [
  ['id', (row) => row.id],
  ['name', (row) => row.name || row.profile_name],
  ['phone', (row) => row.phone],
  ['tags', (row) => row.tags.join(', ')],
  ['stopped', (row) => (row.opted_out ? 'yes' : '')],
  ['blocked', (row) => (row.blocked ? 'yes' : '')],
]

export function addContacts(program: Program, open: OpenSession): void {
  const contacts = program
    .command('contacts')
    .description('Looks at contacts, changes them, and records what they said')
  contacts
    .command('list')
    .option('--tag <tag>', 'only those with this tag')
    .option('--filter <json>', 'only those whom a filter means, as the API reads it')
    .addOption(limitOption())
    .action(async ({ tag, filter, limit }) => {
      const { api, out } = open()
      await out.many(atMost(api.each.listContacts({ tag, filter }), limit), columns)
    })
  contacts
    .command('count')
    .argument('<filter>', 'JSON, as the API reads it')
    .action(async (filter) => {
      const { api, out } = open()
      out.one(await api.countContacts({ filter }))
    })
  contacts
    .command('get')
    .argument('<id>')
    .action(async (id) => {
      const { api, out } = open()
      out.one(await api.getContact({ id }))
    })
  addChanges(contacts, open)
  contacts
    .command('consent')
    .description('Records what a person said about being written to')
    .argument('<id>')
    .addArgument(new Argument('<kind>').choices(['opt_out', 'opt_in', 'block', 'unblock'] as const))
    .requiredOption('--evidence <text>', 'how they said it')
    .action(async (id, kind, { evidence }) => {
      const { api, out } = open()
      out.one(await api.recordConsent({ id, body: { kind, evidence } }))
    })
}

const fieldsOf = <Options extends { timeZone?: string }>({ timeZone, ...fields }: Options) => ({
  ...fields,
  ...(timeZone !== undefined && { time_zone: timeZone }),
})

function addChanges(contacts: Program, open: OpenSession): void {
  contacts
    .command('create')
    .description('Creates a contact, or completes the one that has the number')
    .argument('<phone>')
    .option('--default-country <code>', 'of a number without a country code, such as DE')
    .option('--name <name>')
    .option('--email <email>')
    .option('--language <language>', 'such as pt_BR')
    .option('--time-zone <zone>', 'such as Europe/Berlin')
    .option('--tag <tag>', 'also several', several)
    .option('--attribute <name=value>', 'also several', pairs)
    .action(async (phone, { defaultCountry, tag: tags, attribute: attributes, ...fields }) => {
      const { api, out } = open()
      const more = { default_country: defaultCountry, tags, attributes }
      out.one(await api.createContact({ body: { phone, ...fieldsOf(fields), ...more } }))
    })
  contacts
    .command('change')
    .description('Changes what is named of a contact')
    .argument('<id>')
    .option('--name <name>')
    .option('--email <email>')
    .option('--language <language>', 'such as pt_BR')
    .option('--time-zone <zone>', 'such as Europe/Berlin')
    .option('--add-tag <tag>', 'also several', several)
    .option('--remove-tag <tag>', 'also several', several)
    .option('--attribute <name=value>', 'also several', pairs)
    .action(async (id, { addTag, removeTag, attribute: attributes, ...fields }) => {
      const { api, out } = open()
      const more = { add_tags: addTag, remove_tags: removeTag, attributes }
      out.one(await api.updateContact({ id, body: { ...fieldsOf(fields), ...more } }))
    })
  contacts
    .command('archive')
    .description('Takes a contact out of all lists; what they said stays')
    .argument('<id>')
    .action(async (id) => void (await open().api.archiveContact({ id })))
  contacts
    .command('forget')
    .description('Forgets a person for good; what they refuse stays')
    .argument('<id>')
    .action(async (id) => void (await open().api.forgetContact({ id })))
}

export function addImport(program: Program, open: OpenSession): void {
  program
    .command('import')
    .description('Imports contacts from a CSV file, waits for its end, and names refused rows')
    .argument('<file>')
    .option('--default-country <code>', 'of numbers without a country code, such as DE')
    .action(async (file, { defaultCountry }) => {
      if (!existsSync(file)) throw new CliError(`There is no file ${file}`, exitCodes.usage)
      const session = open()
      const { id } = await session.api.createContactImport({
        file_name: path.basename(file),
        default_country: defaultCountry,
        body: () => createReadStream(file),
      })
      await watchImport(session, id)
    })
}

async function watchImport({ api, out }: Session, id: string): Promise<void> {
  const bar = out.bar('Import')
  const done = await watch(
    () => api.getContactImport({ id }),
    ({ state }) => state === 'done' || state === 'failed',
    (run) =>
      bar.update(run.done_bytes, run.total_bytes, `bytes, ${run.rows} rows, ${run.created} new`),
  )
  bar.end()
  out.one(done)
  if (done.state === 'failed') throw new CliError(`The import failed: ${done.failure}`)
  for await (const { line, reason } of atMost(api.each.listImportErrors({ id }), 20))
    out.note(out.bad(`line ${line}: ${reason}`))
  if (done.rejected > 0) out.note(`${done.rejected} of ${done.rows} rows were refused`)
}
