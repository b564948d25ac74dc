import { existsSync } from 'node:fs'
import path from 'node:path'

/** A document's path from the root, and its text. */
export interface Document {
  file: string
  text: string
}

/** Something in a document that leads nowhere. */
export interface Broken {
  file: string
  line: number
  problem: string
}

/** What a reader must be able to reach, one step after another. */
const ways = (services: readonly string[]): [from: string, to: string][] => [
  ['README.md', 'ARCHITECTURE.md'],
  ...services.map((service): [string, string] => [
    'ARCHITECTURE.md',
    `services/${service}/README.md`,
  ]),
]

/** Links and paths in documents that lead nowhere, and steps of the way from README to each service that are missing. */
export function checkDocuments(
  root: string,
  documents: readonly Document[],
  services: readonly string[],
): Broken[] {
  const broken = documents.flatMap((document) => checkDocument(root, document))
  for (const [from, to] of ways(services)) {
    const document = documents.find(({ file }) => file === from)
    if (!document) broken.push({ file: from, line: 1, problem: 'is missing' })
    else if (!existsSync(path.join(root, to)))
      broken.push({ file: from, line: 1, problem: `should lead to ${to}, which is missing` })
    else if (!leadsTo(document, to))
      broken.push({ file: from, line: 1, problem: `must lead to ${to}` })
  }
  return unique(broken)
}

function checkDocument(root: string, { file, text }: Document): Broken[] {
  return linesOutsideCode(text).flatMap(({ line, content }) => {
    const links = linksIn(content).flatMap((target) =>
      existsSync(path.join(root, resolve(file, target))) ? [] : [`link to ${target} leads nowhere`],
    )
    const paths = pathsIn(content).flatMap((named) =>
      isThere(root, file, named) ? [] : [`there is no ${named}`],
    )
    return [...links, ...paths].map((problem) => ({ file, line, problem }))
  })
}

function leadsTo({ file, text }: Document, to: string): boolean {
  const targets = linesOutsideCode(text).flatMap(({ content }) => linksIn(content))
  const folder = path.posix.dirname(to)
  return targets.some((target) => [to, folder].includes(resolve(file, target).replace(/\/$/, '')))
}

/** Lines that are prose: code blocks are examples. */
function linesOutsideCode(text: string): { line: number; content: string }[] {
  let inBlock = false
  return text.split('\n').flatMap((content, i) => {
    const isFence = /^\s*(```|~~~)/.test(content)
    if (isFence) inBlock = !inBlock
    return isFence || inBlock ? [] : [{ line: i + 1, content }]
  })
}

/** Targets of links within the repository. */
function linksIn(line: string): string[] {
  const targets = [
    ...line
      .replace(/`[^`]*`/g, (code) => '`'.repeat(code.length))
      .matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)/g),
  ].map((match) => match[1]!)
  return targets.filter((target) => !/^([a-z][a-z0-9+.-]*:|#)/i.test(target))
}

const resolve = (file: string, target: string): string =>
  path.posix.join(path.posix.dirname(file), decodeURI(target.replace(/#.*$/, '')))

/** Folders whose name at the start of a word in backticks says that it is a path of the repository. */
const tops = ['packages', 'services', 'tools', 'proto', 'docs', 'test', 'deploy']
/** Folders of a package or service, in its own README. */
const inner = ['src', 'test']
const looksLikePath = new RegExp(
  `^(?:(?:\\.{1,2}/)*(?:${tops.join('|')}|${inner.join('|')})/[\\w.@{},*<>/-]*|[A-Z]+\\.md)$`,
)

function pathsIn(line: string): string[] {
  return [...line.matchAll(/`([^`\s]+)`/g)]
    .map((match) => match[1]!)
    .filter((word) => looksLikePath.test(word))
}

/** From the root or from the document's folder; a pattern such as `services/<name>/README.md` counts up to its first variable part. */
function isThere(root: string, file: string, named: string): boolean {
  const [sure = ''] = named.split(/[^/]*[*<{].*$/)
  return [path.posix.join('.', sure), resolve(file, sure)].some((target) =>
    existsSync(path.join(root, target)),
  )
}

function unique(broken: Broken[]): Broken[] {
  return [
    ...new Map(broken.map((each) => [`${each.file}:${each.line} ${each.problem}`, each])).values(),
  ]
}
