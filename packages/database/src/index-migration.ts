import { Migration } from '@mikro-orm/migrations'

/** Makes one index while others write, and anew what a run that was cut off left. */
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
