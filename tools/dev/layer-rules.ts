import type { Import } from './source-imports.ts'

const layers = ['main', 'service', 'config', 'context', 'endpoints', 'rules', 'db'] as const
type Layer = (typeof layers)[number]

/** What a layer of a service may import; `import type` is free here. */
const mayImport: Record<Layer, readonly Layer[]> = {
  main: ['service'],
  service: ['config', 'context', 'endpoints', 'rules', 'db'],
  config: ['rules'],
  context: ['rules', 'db'],
  endpoints: ['endpoints', 'rules', 'db'],
  rules: ['rules', 'db'],
  db: ['db', 'rules'],
}

/**
 * The layer of a file below a service's `src`. What stands beside the fixed files are rules, and
 * the steps that endpoints share.
 */
function layerOf(inside: string): Layer {
  const fixed = inside.match(/^(main|service|config|context)\.ts$/)?.[1]
  if (fixed) return fixed as Layer
  if (/^(rpc|lanes|jobs|http)(\/|\.ts$)/.test(inside)) return 'endpoints'
  return inside.startsWith('db/') ? 'db' : 'rules'
}

/** What is wrong with an import inside a service; `imports` are those of all files. */
export function layerRule(
  { file, target, isRelative, isType }: Import,
  imports: ReadonlyMap<string, readonly Import[]>,
): string | undefined {
  const src = file.match(/^services\/[^/]+\/src\//)?.[0]
  if (!src || !isRelative || isType || !target.startsWith(src)) return undefined
  const [from, to] = [file.slice(src.length), target.slice(src.length)]
  const [layer, other] = [layerOf(from), layerOf(to)]
  const refuse = (words: string) => `${words} (main → service → endpoints → rules, db): ${to}`
  if (!mayImport[layer].includes(other)) return refuse(`${layer} must not import ${other}`)
  if (layer === 'endpoints' && other === 'endpoints' && from.split('/')[0] !== to.split('/')[0])
    return refuse('an endpoint must not import one of another kind')
  if (layer === 'db' && other === 'rules' && !isPure(target, imports))
    return refuse('db must not import what is more than a pure rule')
  return undefined
}

/**
 * A pure rule needs nothing of ours but contracts, what Meta means by its words, and other pure
 * rules.
 */
function isPure(
  file: string,
  imports: ReadonlyMap<string, readonly Import[]>,
  seen = new Set<string>(),
): boolean {
  if (seen.has(file)) return true
  seen.add(file)
  return (imports.get(file) ?? []).every(({ target, isRelative, isType }) => {
    if (isType) return true
    if (!isRelative)
      return !target.startsWith('@lockstep/') || /^@lockstep\/(contracts|whatsapp)$/.test(target)
    return /\/src\/(?!db\/)/.test(target) && isPure(target, imports, seen)
  })
}
