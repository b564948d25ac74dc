import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { runBuf } from './buf.ts'

/**
 * Runs `buf generate` on a folder of contracts, whose plugins and relative output folders stand in its buf.gen.yaml, and writes the
 * descriptors that reflection answers with. Throws with buf's own words.
 */
async function generate(root: string, proto: string): Promise<void> {
  const build = ['build', '--exclude-source-info', '-o', descriptorsFile]
  for (const args of [['generate'], build]) {
    const { ok, said } = await runBuf(root, proto, args)
    if (!ok) throw new Error(`buf ${args[0]} failed:\n${said}`)
  }
  // In lines, so that two branches that change proto/ can be merged.
  const file = path.join(proto, descriptorsFile)
  writeFileSync(file, `${JSON.stringify(JSON.parse(readFileSync(file, 'utf8')), null, 1)}\n`)
}

const descriptorsFile = path.join('..', 'packages', 'rpc', 'gen', 'descriptors.json')

/**
 * Generates all that is derived from the folders in proto/ and services/: the gRPC code, the list of services, and the definitions
 * by service. `out` has the layout of the repository.
 */
export async function generateAll(root: string, out = root): Promise<void> {
  await generate(root, path.join(out, 'proto'))
  const names = serviceNames(root)
  writeFileSync(path.join(out, ...servicesFile), servicesText(names))
  writeFileSync(
    path.join(out, 'packages', 'rpc', 'gen', 'definitions.ts'),
    definitionsText(root, names),
  )
}

/** What is written by `npm run generate`, as folders below the root. */
export const generatedFolders = ['packages/rpc/gen', 'packages/contracts/gen'] as const

const servicesFile = ['packages', 'contracts', 'gen', 'services.ts'] as const
const head = 'do not edit.'

function serviceNames(root: string): string[] {
  return readdirSync(path.join(root, 'services'))
    .filter((name) => existsSync(path.join(root, 'services', name, 'src', 'service.ts')))
    .sort()
}

function servicesText(names: readonly string[]): string {
  return `// Written by \`npm run generate\` from the folders in services/; ${head}

/** The services that exist by name; each owns one PostgreSQL schema and one role of that name (dashes become underscores). */
export const services = [
${names.map((name) => `  '${name}',`).join('\n')}
] as const
export type ServiceName = (typeof services)[number]
`
}

/** Of the services that have a folder in proto/. */
function definitionsText(root: string, names: readonly string[]): string {
  const lines = names.flatMap((name) => {
    const folder = name.replaceAll('-', '_')
    const file = path.join(root, 'proto', 'lockstep', folder, 'v1', `${folder}.proto`)
    const definition = existsSync(file) && /^service (\w+)/m.exec(readFileSync(file, 'utf8'))?.[1]
    if (!definition) return []
    const key = name === folder ? name : `'${name}'`
    return [
      `  ${key}: async () => (await import('./lockstep/${folder}/v1/${folder}.ts')).${definition}Definition,`,
    ]
  })
  return `// Written by \`npm run generate\` from proto/ and the folders in services/; ${head}

/** Loads the definition of each service that serves methods of its own, by its name. */
export const definitions = {
${lines.join('\n')}
} as const
`
}

/** Generates anew below `folder`, laid out there like the repository. */
export async function generateInto(root: string, folder: string): Promise<void> {
  const proto = path.join(folder, 'proto')
  cpSync(path.join(root, 'proto'), proto, { recursive: true })
  // buf.gen.yaml names the plugin and the output by paths from its own folder: both must be found from the copy.
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
  mkdirSync(path.join(folder, 'packages', 'contracts', 'gen'), { recursive: true })
  await generateAll(root, folder)
}

/** Files that differ between two folders, as paths below them: missing in the first, not in the second, or of other content. */
export function differentFiles(written: string, wanted: string): string[] {
  const [before, after] = [filesIn(written), filesIn(wanted)]
  const read = (folder: string, file: string) => readFileSync(path.join(folder, file), 'utf8')
  const missing = after.filter((file) => !before.includes(file)).map((file) => `${file} is missing`)
  const stale = before
    .filter((file) => !after.includes(file))
    .map((file) => `${file} belongs to no .proto any more`)
  const changed = after
    .filter((file) => before.includes(file) && read(written, file) !== read(wanted, file))
    .map((file) => `${file} is out of date`)
  return [...missing, ...stale, ...changed].sort()
}

function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
}
