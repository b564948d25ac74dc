import { Migration } from '@mikro-orm/migrations'

export class ConnectionsNumber extends Migration {
  override up(): void {
    // `connections_between` asks for ended connections, too, which the unique index of live numbers leaves out.
    this.addSql('create index connections_number on connections (phone_number_id);')
  }
}
