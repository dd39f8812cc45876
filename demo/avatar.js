// A user's colored initial: the same color for the same name, everywhere.

export function showAvatar(node, name) {
  node.textContent = [...name][0].toLocaleUpperCase();
  node.style.setProperty("--hue", hue(name));
}

function hue(name) {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + character.codePointAt(0)) % 360;
  return sum;
}
