import { Migration } from '@mikro-orm/migrations'

export class TemplatesPage extends Migration {
  override up(): void {
    this.addSql('create index templates_page on templates (account_id, id);')
  }
}
