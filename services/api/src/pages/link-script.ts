/** Posts the form as JSON, with the token of a link that has one, and shows what came back. */
export const linkScript = `
const form = document.querySelector('form')
const button = document.querySelector('button')
const output = document.querySelector('output')

function say(text, isBad) {
  output.textContent = text
  output.className = isBad ? 'bad' : ''
}

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const token = location.hash.slice(1)
  const fields = [...new FormData(form)].filter(([, value]) => value !== '')
  button.disabled = true
  say('…', false)
  try {
    const response = await fetch(form.dataset.postTo, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...Object.fromEntries(fields), ...(token && { token }) }),
    })
    if (!response.ok) return say((await response.json()).detail, true)
    form.hidden = true
    say(form.dataset.done, false)
  } catch {
    say('Lockstep was not reached. Try it again.', true)
  } finally {
    button.disabled = false
  }
})
`
