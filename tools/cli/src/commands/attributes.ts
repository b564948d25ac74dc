import { Readable } from 'node:stream'
import { Argument } from '@commander-js/extra-typings'
import type { ContactAttribute } from '@lockstep/client'
import { several } from '../options.ts'
import type { Column } from '../output.ts'
import type { OpenSession, Program } from '../session.ts'

const columns: readonly Column<ContactAttribute>[] = [
  ['id', (row) => row.id],
  ['name', (row) => row.name],
  ['type', (row) => row.type],
  ['choices', (row) => row.choices.join(', ')],
]
const types = ['text', 'number', 'date', 'boolean', 'choice'] as const

export function addAttributes(program: Program, open: OpenSession): void {
  const attributes = program
    .command('attributes')
    .description('Attributes of contacts that have a type')
  attributes.command('list').action(async () => {
    const { api, out } = open()
    const { attributes: rows } = await api.listContactAttributes()
    await out.many(Readable.from(rows), columns)
  })
  attributes
    .command('create')
    .argument('<name>')
    .addArgument(new Argument('<type>').choices(types))
    .option('--label <label>', 'for people; the name when it is left out')
    .option('--choice <choice>', 'of the type choice, also several', several)
    .action(async (name, type, { label, choice: choices }) => {
      const { api, out } = open()
      out.one(await api.createContactAttribute({ body: { name, type, label, choices } }))
    })
  attributes
    .command('delete')
    .argument('<id>')
    .option('--keep-values', 'contacts keep what they have, as texts')
    .action(async (id, { keepValues }) => {
      await open().api.deleteContactAttribute({ id, ...(keepValues && { keep_values: 'true' }) })
    })
}
