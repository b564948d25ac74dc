import type { Invariant } from '../invariant.ts'

export const imports: Invariant = {
  id: 'I12',
  statement: 'At most one import of an account is running.',
  means:
    'Two imports wrote the contacts of one account at the same time: the index that forbids it (imports_running) is gone.',
  rows: 'afterLog',
  needs: 'rows',
  checked: 'select count(*) from contacts.imports',
  violations: `
    select account_id, count(*) as running, array_agg(id order by created_at, id) as imports
    from contacts.imports where state = 'running'
    group by account_id having count(*) > 1 order by account_id`,
  gap: `select 'exports: the system has none yet'`,
}
