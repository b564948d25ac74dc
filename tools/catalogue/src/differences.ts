/** What is out of date in a catalogue, line by line and by section: `+` is missing in it, `-` should not be there. */
export function differences(written: string, wanted: string): string[] {
  if (written === wanted) return []
  const [before, after] = [linesOf(written), linesOf(wanted)]
  const missing = after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`)
  const stale = before.filter((line) => !after.includes(line)).map((line) => `- ${line}`)
  return missing.length + stale.length > 0
    ? [...stale, ...missing]
    : ['The lines are in another order']
}

/** Lines that say where they stand. */
function linesOf(text: string): string[] {
  let section = ''
  return text.split('\n').flatMap((line) => {
    if (line.startsWith('## ')) section = `${line.slice(3)}: `
    return line.trim() ? [section + line] : []
  })
}
