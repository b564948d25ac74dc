import { phones, type Tenant } from '@lockstep/testing/system'
import { oneContactRows } from './identity-rows.ts'
import { duplicates, noFence, overlaps, scenario } from './scenario.ts'

const people = 40

async function* upload(tag: string) {
  const rows = phones(people).map((phone, i) => `Person ${i},${phone},${tag}`)
  yield { fileName: `${tag}.csv`, chunk: Buffer.from(`name,phone,tags\n${rows.join('\n')}\n`) }
}

/** Several processes import two files of one account that name the same people. */
export const contactImport = scenario<Tenant>({
  lock: 'contact_import',
  operation: 'import the files of an account',
  guards: {
    lock: { is: 'contact_import:account:{id}', locks: ['contact_import'] },
    lane: { is: 'contacts.import, one an account', lanes: ['contacts.import'] },
    fence: { is: 'fence at each batch', statements: noFence },
    rows: {
      is: 'one contact an identity, one running import an account, a batch counts only from where it began',
      statements: [
        ...oneContactRows.statements,
        {
          in: 'update imports set done_bytes',
          replace: String.raw`and state = 'running'\s+and rows = `,
          by: 'and 0 <= ',
        },
      ],
      drop: [...oneContactRows.drop, 'drop index contacts.imports_running'],
      restore: [
        ...oneContactRows.restore,
        "create unique index imports_running on contacts.imports (account_id) where state = 'running'",
      ],
    },
  },
  slow: [{ table: 'contacts.contacts', on: 'insert', seconds: 0.3 }],
  prepare: ({ system }) => system.addTenant(),
  async collide({ system, go }, tenant) {
    for (const tag of ['first', 'second'])
      await system.clients.contacts.createImport(upload(tag), tenant)
    await go('contacts.import', tenant.accountId)
  },
  async conflicts(race, { accountId }) {
    const conflicts = await duplicates(
      race,
      'contacts.contacts',
      'phone',
      'account_id = $1 and merged_into is null',
      [accountId],
    )
    const imports = await race.sql<{
      file_name: string
      state: string
      rows: number
      created: number
      failure: string
    }>('select * from contacts.imports where account_id = $1', [accountId])
    for (const { file_name, state, rows, failure } of imports)
      if (state !== 'done' || rows !== people)
        conflicts.push(
          `${file_name} is ${state} with ${rows} rows of ${people}${failure && `: ${failure}`}`,
        )
    const created = imports.reduce((sum, each) => sum + each.created, 0)
    if (created !== people)
      conflicts.push(`the imports say that they made ${created} contacts of ${people} people`)
    return [...conflicts, ...(await overlaps(race, 'contacts'))]
  },
})
