import { withClient } from '@lockstep/database'

type Client = Parameters<Parameters<typeof withClient>[1]>[0]

/** A superuser's connection that stays open: for looking on, or for writing a floor's rows. */
export interface Watcher extends AsyncDisposable {
  /** Its backend, which is no part of the system. */
  pid: number
  /** A statement with a name is planned once. */
  sql<Row = Record<string, unknown>>(
    text: string,
    values?: unknown[],
    name?: string,
  ): Promise<Row[]>
}

export async function openWatcher(url: string): Promise<Watcher> {
  const opened = Promise.withResolvers<Client>()
  const closing = Promise.withResolvers<void>()
  const closed = withClient(url, (client) => {
    opened.resolve(client)
    return closing.promise
  })
  closed.catch(opened.reject)
  const client = await opened.promise
  const [row] = (await client.query('select pg_backend_pid() as pid')).rows
  let last: Promise<unknown> = Promise.resolve()
  return {
    pid: row.pid,
    sql: async (text, values = [], name) => {
      const result = last.then(() => client.query({ text, values, ...(name && { name }) })) // a session does one thing at a time
      last = result.catch(() => undefined)
      return (await result).rows
    },
    async [Symbol.asyncDispose]() {
      closing.resolve()
      await closed
    },
  }
}
