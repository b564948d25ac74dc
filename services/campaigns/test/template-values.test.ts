import { expect, test } from 'vitest'
import { checkValues, valueFiller } from '../src/audience/template-values.ts'

const body = (text: string) => ({ type: 'BODY', text })
const hello = { name: 'hello', components: [body('Dear {{1}}, {{2}}')] }
const photo = {
  name: 'photo',
  components: [{ type: 'HEADER', format: 'IMAGE' }, body('Dear {{1}}')],
}
const ana = {
  name: 'Ana',
  phone: '4915112345678',
  attributes: { city: 'Berlin', 'First Name': 'Anna Maria', empty: ' ' },
}

const refused = (text: string) => {
  try {
    checkValues(hello, { 'body.1': text, 'body.2': 'x' })
  } catch (error) {
    return (error as Error).message
  }
  return null
}
const filled = (text: string, person = ana) => {
  const result = valueFiller(hello, { 'body.1': text, 'body.2': 'x' })(person)
  return 'reason' in result ? result : result.values['body.1']
}

test('a placeholder that there is not is refused, and those that there are are named', () => {
  for (const text of [
    '{{first_name}}',
    '{{contact.name}}',
    '{{Name}}',
    '{{ NAME }}',
    'x {{}}',
    '{{attributes.}}',
    '{{attributes}}',
    '{{1}}',
  ]) {
    const said = refused(text)
    expect(said).toContain(text.slice(text.indexOf('{')))
    expect(said).toContain('{{name}}, {{phone}} and {{attributes.…}}')
  }
  for (const text of ['{{name', 'name}}', '{{{name}}}', '{{name}} and {{', '{{a{{name}}}}'])
    expect(refused(text)).toMatch(/brace/)
  expect(refused('{{name|}}')).toMatch(/empty fallback/)
  for (const text of [
    '{{name}}',
    '{{ name }}',
    '{{phone}}',
    '{{attributes.First Name}}',
    '{{name|dear friend}}',
    '{one} brace',
  ])
    expect(refused(text)).toBeNull()
})

test('names may hold blanks, and count as they are written', () => {
  expect(filled('{{attributes.First Name}}, {{ attributes.city }}')).toBe('Anna Maria, Berlin')
  expect(filled('{{attributes.first name}}')).toEqual({
    reason: 'no value for {{attributes.first name}} of body.1',
  })
  expect(filled('{{attributes.constructor}}')).toEqual({
    reason: 'no value for {{attributes.constructor}} of body.1',
  })
})

test('nothing goes out with a hole in it: an empty placeholder has a fallback, or its person is left out in words', () => {
  const nameless = { ...ana, name: ' ' }
  expect(filled('dear {{name}}', nameless)).toEqual({ reason: 'no value for {{name}} of body.1' })
  expect(filled('dear {{name|there}}', nameless)).toBe('dear there')
  expect(filled('dear {{name|there}}')).toBe('dear Ana')
  expect(filled('{{attributes.empty}}{{name}}')).toEqual({
    reason: 'no value for {{attributes.empty}} of body.1',
  })
})

test('what people are called is never a placeholder itself', () => {
  expect(filled('{{name}}', { ...ana, name: '{{phone}}' })).toBe('{{phone}}')
})

test('white space that Meta refuses is collapsed in what people bring, and refused in what is written', () => {
  expect(filled('dear {{name}}', { ...ana, name: ' Ana\r\n\tMaria      Lopez ' })).toBe(
    'dear Ana Maria Lopez',
  )
  expect(filled('20\u00a0% for {{name}}')).toBe('20\u00a0% for Ana')
  const cases = {
    'a\nb': 'a line break',
    'a\rb': 'a line break',
    'a\tb': 'a tab',
    'a     b': 'more than 4 blanks',
    '{{name|a\nb}}': 'a line break',
  }
  for (const [text, fault] of Object.entries(cases)) expect(refused(text)).toContain(fault)
  expect(refused('a    b')).toBeNull()
})

test('media are public https links: as a constant when it is written, of a person when the list is made', () => {
  const check = (link: string) => () => checkValues(photo, { 'header.image': link, 'body.1': 'x' })
  for (const link of [
    'photo.png',
    'http://shop.example/a.png',
    'https://',
    'https://shop.example/a b.png',
    'ftp://shop.example/a',
    'x{{name}}',
  ])
    expect(check(link)).toThrow('must be a public https link to the image')
  for (const link of [
    'https://shop.example/a.png',
    'https://shop.example/{{attributes.city}}.png',
    '{{attributes.photo}}',
  ])
    expect(check(link)).not.toThrow()
  const fill = valueFiller(photo, { 'header.image': '{{attributes.photo}}', 'body.1': '{{name}}' })
  const of = (photo: string) => fill({ ...ana, attributes: { photo } } as unknown as typeof ana)
  expect(of('https://shop.example/a.png')).toEqual({
    values: { 'header.image': 'https://shop.example/a.png', 'body.1': 'Ana' },
  })
  expect(of('a.png')).toEqual({ reason: 'header.image is no https link' })
})
