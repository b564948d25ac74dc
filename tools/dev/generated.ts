import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'

/**
 * Runs `buf generate` on `<root>/proto`, whose plugins and relative output folders stand in its buf.gen.yaml. Throws with
 * buf's own words.
 */
export async function generate(root: string, proto = path.join(root, 'proto')): Promise<void> {
  const bin = path.join(root, 'node_modules', '.bin')
  const PATH = [path.dirname(process.execPath), bin, process.env.PATH].join(path.delimiter)
  const child = spawn(path.join(bin, 'buf'), ['generate'], { cwd: proto, env: { ...process.env, PATH }, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`buf generate failed:\n${said}`)
}

/** Generates anew below `folder`, laid out there like the repository; answers the folder with the generated code. */
export async function generateInto(root: string, folder: string): Promise<string> {
  const proto = path.join(folder, 'proto')
  cpSync(path.join(root, 'proto'), proto, { recursive: true })
  // buf.gen.yaml names the plugin and the output by paths from its own folder: both must be found from the copy.

  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
  await generate(root, proto)
  return path.join(folder, 'packages', 'rpc', 'gen')
}

/** Files that differ between two folders, as paths below them: missing in the first, not in the second, or of other content. */
export function differentFiles(written: string, wanted: string): string[] {
  const [before, after] = [filesIn(written), filesIn(wanted)]
  const read = (folder: string, file: string) => readFileSync(path.join(folder, file), 'utf8')
  const missing = after.filter((file) => !before.includes(file)).map((file) => `${file} is missing`)
  const stale = before.filter((file) => !after.includes(file)).map((file) => `${file} belongs to no .proto any more`)
  const changed = after
    .filter((file) => before.includes(file) && read(written, file) !== read(wanted, file))
    .map((file) => `${file} is out of date`)
  return [...missing, ...stale, ...changed].sort()
}

function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
}
