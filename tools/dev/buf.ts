import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'

/** Runs the repository's buf in a folder; answers whether it found nothing, and what it printed. */
export async function runBuf(
  root: string,
  cwd: string,
  args: readonly string[],
): Promise<{ ok: boolean; said: string }> {
  const bin = path.join(root, 'node_modules', '.bin')
  const PATH = [path.dirname(process.execPath), bin, process.env.PATH].join(path.delimiter)
  const child = spawn(path.join(bin, 'buf'), args, {
    cwd,
    env: { ...process.env, PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk))
  const [code] = await once(child, 'close')
  return { ok: code === 0, said }
}
