const given = /^#code=(.+)$/.exec(location.hash);
if (given) {
  history.replaceState(null, '', location.pathname + location.search);
  document.getElementById('code').value = decodeURIComponent(given[1]);
  document.querySelector('form').submit();
}
