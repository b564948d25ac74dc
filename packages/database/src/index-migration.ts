import { Migration } from '@mikro-orm/migrations'

/**
 * A migration that makes one index while others write to its table: PostgreSQL does that outside of a transaction only, and plain
 * `create index` would stop every writer for as long as it takes. What a run that was cut off left behind is made anew.
 */
export abstract class IndexMigration extends Migration {
  /** The index's name, which nothing else in the schema has. */
  abstract readonly index: string
  /** What it is on, as SQL after its name: `on messages (account_id, id) where …`. */
  abstract readonly on: string
  readonly unique: boolean = false

  override isTransactional(): boolean {
    return false
  }

  override up(): void {
    this.addSql('set lock_timeout = 0') // it waits for transactions that were open before it, and keeps nobody waiting
    this.addSql(`drop index concurrently if exists ${this.index}`)
    this.addSql(`create ${this.unique ? 'unique ' : ''}index concurrently ${this.index} ${this.on}`)
    this.addSql('reset lock_timeout')
  }
}
