import { git, mainCommit } from './git.ts'

/** What one line of `git log` holds, and GitHub shows unfolded. */
const maxLength = 72

/**
 * Commits since this branch left main whose subject is too long, in words; none where there is no
 * history to look at.
 */
export async function longSubjects(root: string): Promise<string[]> {
  const main = await mainCommit(root)
  const base = main && (await git(root, 'merge-base', 'HEAD', main))
  if (!base) return []
  const log = await git(root, 'log', '--no-merges', '--format=%h %s', `${base}..HEAD`)
  return (log || '').split('\n').flatMap((line) => {
    const [hash = '', ...words] = line.split(' ')
    const { length } = [...words.join(' ')]
    return length > maxLength
      ? [
          `${hash}  its subject has ${length} characters, at most ${maxLength} fit: ${words.join(' ')}`,
        ]
      : []
  })
}
