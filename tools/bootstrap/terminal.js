const { stderr } = process

/**
 * Shows what is being waited for, on stderr so that a command's own output stays clean. On a terminal the seconds count up in place.
 * @template T
 * @param {string} what e.g. 'Installing packages'
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 */
export async function progress(what, work) {
  const started = Date.now()
  const line = () => `${what} … ${String(Math.round((Date.now() - started) / 1000)).padStart(3)} s`
  if (!stderr.isTTY) {
    stderr.write(`${what} …\n`)
    return work
  }
  const show = () => stderr.write(`\r${line()}`)
  show()
  const timer = setInterval(show, 1000)
  try {
    return await work
  } finally {
    clearInterval(timer)
    stderr.write(`\r${line()}\n`)
  }
}

/**
 * Says on stderr why nothing goes on; the colour only on a terminal.
 * @param {string} message
 */
export function complain(message) {
  stderr.write(
    stderr.isTTY && !process.env.NO_COLOR ? `\x1b[31m${message}\x1b[0m\n` : `${message}\n`,
  )
}
